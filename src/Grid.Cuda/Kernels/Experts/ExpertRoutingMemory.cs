using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Experts;

/// <summary>
/// What the experts' kernels keep on the device between each other, for rows up to a number. An entry is row * Slots + slot.
/// </summary>
internal sealed class ExpertRoutingMemory : IDisposable
{
    /// <summary>Outputs of the experts wait here in fp32 for their sum; where a batch needs more, they are computed by
    /// columns in several passes. Only what needs more than this for one tile of columns gets more.</summary>
    public const long OutputBytesLimit = 64 << 20;

    private const int Tile = PackWeights.PackedLayout.Chunk;
    private const int WorkItemBytes = 16; // and the header's
    private const int Alignment = 256;
    private readonly DeviceMemory memory;
    private long taken;

    /// <param name="context">The GPU.</param>
    /// <param name="stream">Where the memory is cleared.</param>
    /// <param name="maxRows">At least 1.</param>
    /// <param name="experts">From 1 to <see cref="ExpertKernels.MaxExperts"/>.</param>
    /// <param name="slots">Experts of a row, from 1 to <see cref="ExpertKernels.MaxSlots"/> and at most the experts.</param>
    /// <param name="width">Outputs of an expert, a multiple of 8.</param>
    /// <exception cref="CudaException">There is not that much memory free.</exception>
    public ExpertRoutingMemory(CudaContext context, CudaStream stream, int maxRows, int experts, int slots, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        RequireRange(experts, ExpertKernels.MaxExperts, nameof(experts));
        RequireRange(slots, Math.Min(experts, ExpertKernels.MaxSlots), nameof(slots));
        KernelShapes.RequireMultiple(width, ExpertKernels.WidthMultiple);
        (MaxRows, Experts, Slots, Width) = (maxRows, experts, slots, width);
        long entries = checked(maxRows * slots);
        long logits = (long)maxRows * experts * sizeof(float);
        long work = (MaxItems(maxRows, ExpertShape.All[0].Tokens) + 1L) * WorkItemBytes;
        long outputs = OutputBytes(maxRows, slots, width);
        long[] parts = [logits, entries * sizeof(int), entries * sizeof(float), entries * sizeof(int), work, sizeof(int), outputs];
        memory = new DeviceMemory(context, parts.Sum(RoundUp));
        stream.Fill(memory.Span, 0);
        Logits = Take(logits);
        Chosen = Take(entries * sizeof(int));
        Weights = Take(entries * sizeof(float));
        Grouped = Take(entries * sizeof(int));
        Work = Take(work);
        Ticket = Take(sizeof(int));
        Outputs = Take(outputs);
    }

    /// <summary>Rows at most.</summary>
    public int MaxRows { get; }

    public int Experts { get; }

    /// <summary>Experts of a row.</summary>
    public int Slots { get; }

    /// <summary>Outputs of an expert.</summary>
    public int Width { get; }

    /// <summary>[MaxRows, Experts] fp32.</summary>
    public DeviceSpan Logits { get; }

    /// <summary>[entry] int32: chosen experts.</summary>
    public DeviceSpan Chosen { get; }

    /// <summary>[entry] fp32.</summary>
    public DeviceSpan Weights { get; }

    /// <summary>Entries, int32, grouped by expert, ascending inside a group.</summary>
    public DeviceSpan Grouped { get; }

    /// <summary>A header and the items of the products, 16 bytes each (expert_work.cuh).</summary>
    public DeviceSpan Work { get; }

    /// <summary>int32, 0 between launches.</summary>
    public DeviceSpan Ticket { get; }

    /// <summary>[entry, columns of a pass] fp32: a tile of columns of the most rows at least.</summary>
    public DeviceSpan Outputs { get; }

    /// <summary>Rows of the launch that last routed; those that count are known on the device alone.</summary>
    public int Rows { get; internal set; }

    /// <summary>int32 on the device: how many of them count.</summary>
    public DeviceSpan RowCount { get; internal set; }

    /// <summary>Index in <see cref="ExpertShape.All"/> of the tiles that the items are cut for.</summary>
    public int Shape { get; internal set; }

    /// <summary>Items at most, however the rows are routed: full ones, and one that is not for each expert.</summary>
    public int MaxItems(int rows, int tileTokens)
    {
        int entries = rows * Slots;
        return Math.Min(entries, (entries / tileTokens) + Experts);
    }

    /// <summary>Bytes of <see cref="Outputs"/>.</summary>
    public static long OutputBytes(int maxRows, int slots, int width)
    {
        long columns = (long)maxRows * slots * sizeof(float);
        return Math.Max(Math.Min(columns * width, OutputBytesLimit), columns * Math.Min(width, Tile));
    }

    /// <summary>Columns of an expert's outputs that are computed at once for so many rows, from 1 to <see cref="MaxRows"/>: as many
    /// as there is room for, a multiple of 64, or all.</summary>
    public int PassColumns(int rows)
    {
        long fit = Outputs.Bytes / ((long)rows * Slots * sizeof(float));
        return fit >= Width ? Width : (int)(fit / Tile * Tile);
    }

    public void Dispose() => memory.Dispose();

    private static void RequireRange(int value, int largest, string name)
    {
        if (value < 1 || value > largest)
        {
            throw new ArgumentOutOfRangeException(name, value, $"must be from 1 to {largest}.");
        }
    }

    private static long RoundUp(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private DeviceSpan Take(long bytes)
    {
        var part = memory.Span.Slice(taken, bytes);
        taken += RoundUp(bytes);
        return part;
    }
}
