using Grid.Cpu.Memory;
using Grid.Models.Operations;

namespace Grid.Cpu.Experts;

/// <summary>A packed matrix for every expert; each is read only in steps that have a row for it.</summary>
internal sealed class CpuExpertMatrix : ExpertMatrix
{
    public CpuExpertMatrix(string name, CpuMatrix[] matrices)
        : base(name, matrices.Length, matrices[0].Rows, matrices[0].Columns, matrices[0].Gated) => Matrices = matrices;

    public CpuMatrix[] Matrices { get; }

    protected override void Dispose(bool disposing)
    {
        foreach (var matrix in Matrices)
        {
            matrix.Dispose();
        }

        base.Dispose(disposing);
    }
}

/// <summary>
/// A step's routing. Slot s of row r is entry r * Slots + s; entries are also grouped by expert, within an expert by row.
/// </summary>
internal sealed class CpuExpertRouting(int maxRows, int experts, int slots, int width) : ExpertRouting(maxRows, experts, slots, width)
{
    /// <summary>[MaxRows, Experts] router logits.</summary>
    public CpuLogits Logits { get; } = new(maxRows, experts);

    /// <summary>[entry] chosen experts.</summary>
    public int[] Chosen { get; } = new int[maxRows * slots];

    /// <summary>[entry] weights.</summary>
    public float[] Weights { get; } = new float[maxRows * slots];

    /// <summary>[Rows * Slots] entries, grouped by expert.</summary>
    public int[] Grouped { get; } = new int[maxRows * slots];

    /// <summary>[Rows * Slots] the rows of the grouped entries.</summary>
    public int[] GroupedRows { get; } = new int[maxRows * slots];

    /// <summary>[Experts + 1] where each expert's group starts; the last is their number.</summary>
    public int[] Starts { get; } = new int[experts + 1];

    /// <summary>[entry, Width] fp32 outputs of the experts, before they are combined.</summary>
    public NativeBuffer<float> Outputs { get; } = new((long)maxRows * slots * width);
}
