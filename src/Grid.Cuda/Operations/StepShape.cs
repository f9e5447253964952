using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;

namespace Grid.Cuda.Operations;

/// <summary>
/// The sizes of a step that launches depend on: those of its batch, or in a recorded pass bounds for every batch of its bucket.
/// Where each of the step's inputs lies on the device is a function of the shape alone, so a recorded pass finds them again.
/// </summary>
/// <param name="Rows">Rows computed; those past the batch's are padding.</param>
/// <param name="Sequences">Attention sequences, padding included.</param>
/// <param name="PrefillTiles">At most so many.</param>
/// <param name="DecodeTiles">At most so many.</param>
/// <param name="PageStride">Page table entries of a sequence.</param>
/// <param name="Merges">Whether a decode sequence may have several segments.</param>
internal readonly record struct StepShape(
    int Rows, int Sequences, int PrefillTiles, int DecodeTiles, int PageStride, bool Merges)
{
    private const int Alignment = 16;

    // One number each, where an aligned operand may begin.
    public static DeviceRange RowCount => new(0, sizeof(int));

    public static DeviceRange PrefillTileCount => new(Alignment, sizeof(int));

    public static DeviceRange DecodeTileCount => new(2 * Alignment, sizeof(int));

    public DeviceRange TokenIds => new(3 * Alignment, (long)Rows * sizeof(int));

    public DeviceRange Positions => After(TokenIds, (long)Rows * sizeof(int));

    public DeviceRange Slots => After(Positions, (long)Rows * sizeof(int));

    public DeviceRange AttentionSequences => After(Slots, (long)Sequences * AttentionSequence.Bytes);

    public DeviceRange Prefill => After(AttentionSequences, (long)PrefillTiles * AttentionTile.Bytes);

    public DeviceRange Decode => After(Prefill, (long)DecodeTiles * AttentionTile.Bytes);

    public DeviceRange PageTable => After(Decode, (long)Sequences * PageStride * sizeof(int));

    /// <summary>Last, because its length is not part of the shape: recorded passes do not read it.</summary>
    public DeviceRange LogitRows(int count) => After(PageTable, (long)count * sizeof(int));

    private static DeviceRange After(DeviceRange before, long bytes) =>
        new((before.Start + before.Bytes + Alignment - 1) / Alignment * Alignment, bytes);
}

/// <summary>A place in the step's inputs, in bytes.</summary>
internal readonly record struct DeviceRange(long Start, long Bytes)
{
    public DeviceSpan Of(DeviceSpan inputs) => inputs.Slice(Start, Bytes);
}
