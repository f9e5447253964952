using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Memory;

/// <summary>
/// Weights in tiles of 16 rows of the matrix (output columns of the product): [tile][k/2][16][2] bf16, rows and k padded
/// with zeros. A gated matrix has gate and up tiles in turn.
/// </summary>
internal sealed class CpuMatrix(string name, int rows, int columns, bool gated) : WeightMatrix(name, rows, columns, gated)
{
    /// <summary>k padded to whole steps.</summary>
    public int PaddedColumns { get; } = (columns + 15) / 16 * 16;

    public int Tiles { get; } = (rows + 15) / 16 * (gated ? 2 : 1);

    public long TileLength => (long)PaddedColumns * ChainKernel.Columns;

    public NativeBuffer<ushort> Data { get; } = new((long)((rows + 15) / 16) * (gated ? 2 : 1) * ((columns + 15) / 16 * 16) * 16);

    /// <summary>[Tiles] whether a value is too large for the vector forms.</summary>
    public bool[] Extreme { get; } = new bool[(rows + 15) / 16 * (gated ? 2 : 1)];

    protected override void Dispose(bool disposing)
    {
        Data.Dispose();
        base.Dispose(disposing);
    }
}

internal sealed class CpuVector(string name, float[] values) : WeightVector(name, values.Length)
{
    public float[] Values { get; } = values;

    /// <summary>Up to 16 values from a place on, zeros after them.</summary>
    public Vector512<float> Load(int start, int count)
    {
        if (count == ChainKernel.Columns)
        {
            return Vector512.Create<float>(Values.AsSpan(start, count));
        }

        Span<float> padded = stackalloc float[ChainKernel.Columns];
        padded.Clear();
        Values.AsSpan(start, count).CopyTo(padded);
        return Vector512.Create<float>(padded);
    }
}

internal sealed class CpuActivation(int maxRows, int width) : Activation(maxRows, width)
{
    public NativeBuffer<ushort> Data { get; } = new((long)maxRows * width);

    public Span<ushort> Row(int row) => Data.Slice((long)row * Width, Width);
}

internal sealed class CpuLogits(int maxRows, int width) : LogitsBuffer(maxRows, width)
{
    public NativeBuffer<float> Data { get; } = new((long)maxRows * width);

    public Span<float> Row(int row) => Data.Slice((long)row * Width, Width);

    protected override void Dispose(bool disposing)
    {
        Data.Dispose();
        base.Dispose(disposing);
    }
}

internal sealed class CpuRotaryTable(float[] cos, float[] sin, int positions, int headDim) : RotaryTable(positions, headDim)
{
    public float[] Cos { get; } = cos;

    public float[] Sin { get; } = sin;
}

/// <summary>
/// Pages as the chain kernels read them: [page][layer][kv head] of a key image, [64/16][headDim/2][16 keys][2] (keys are
/// the columns of q·k), and a value image, [headDim/16][64/2][16 dims][2] (keys are the k of p·v).
/// </summary>
internal sealed class CpuKvCache(int layers, int kvHeads, int headDim, int pages) : KvCache(layers, kvHeads, headDim, pages)
{
    public NativeBuffer<ushort> Data { get; } = new(pages * PageLength(layers, kvHeads, headDim));

    /// <summary>[pages] whether a value is too large for the vector forms; set by writes, cleared with the page.</summary>
    public bool[] Extreme { get; } = new bool[pages];

    public int HeadLength => 2 * AttentionLayout.BlockTokens * HeadDim;

    public static long PageLength(int layers, int kvHeads, int headDim) =>
        2L * AttentionLayout.BlockTokens * headDim * kvHeads * layers;

    /// <summary>Start of the key image; the value image follows BlockTokens * HeadDim further.</summary>
    public long HeadStart(int page, int layer, int kvHead) =>
        (page * PageLength(Layers, KvHeads, HeadDim)) + ((((long)layer * KvHeads) + kvHead) * HeadLength);

    protected override void Dispose(bool disposing)
    {
        Data.Dispose();
        base.Dispose(disposing);
    }
}
