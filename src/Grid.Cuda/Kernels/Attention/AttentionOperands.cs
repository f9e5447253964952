using System.Runtime.InteropServices;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Attention;

/// <summary>What the attention kernels read and write, on the device.</summary>
internal readonly record struct AttentionOperands
{
    /// <summary>[tokens, QueryStride] bf16; head h begins at column h * headDim.</summary>
    public required DeviceSpan Queries { get; init; }

    /// <summary>Elements from token to token of the queries, a multiple of 8.</summary>
    public required int QueryStride { get; init; }

    /// <summary>[tokens, QueryHeads * headDim] bf16.</summary>
    public required DeviceSpan Output { get; init; }

    /// <summary>The layer's pages: [page][KV head][key image, value image]; an image is [token / 8][dim / 8][8 tokens][8 dims] bf16
    /// of 64 tokens. Unused slots are finite.</summary>
    public required DeviceSpan Pages { get; init; }

    /// <summary>[sequence, PageTableStride] page numbers.</summary>
    public required DeviceSpan PageTable { get; init; }

    /// <summary>Entries from sequence to sequence of the page table.</summary>
    public required int PageTableStride { get; init; }

    /// <summary><see cref="AttentionSequence"/> each.</summary>
    public required DeviceSpan Sequences { get; init; }

    /// <summary><see cref="AttentionTile"/> each.</summary>
    public required DeviceSpan Tiles { get; init; }

    /// <summary>One int: tiles in use.</summary>
    public required DeviceSpan TileCount { get; init; }

    /// <summary>Decode: [slot, QueryHeads, headDim] fp32; <see cref="AttentionKernel.PartialBytes"/>.</summary>
    public DeviceSpan PartialValues { get; init; }

    /// <summary>Decode: [slot, QueryHeads, 2] fp32.</summary>
    public DeviceSpan PartialState { get; init; }

    /// <summary>Decode: [slot, KvHeads] int, zeros before and after each launch.</summary>
    public DeviceSpan Arrivals { get; init; }

    public required int QueryHeads { get; init; }

    public required int KvHeads { get; init; }

    /// <summary>Of the scores, usually 1 / sqrt(headDim).</summary>
    public required float Scale { get; init; }
}

/// <summary>Queries of one sequence in the step.</summary>
/// <param name="FirstToken">Its row in queries and output.</param>
/// <param name="Tokens">Consecutive tokens; decode: 1.</param>
/// <param name="Position">Absolute position of the first.</param>
/// <param name="FirstSlot">Decode over several segments: where its partial results begin. Else below 0.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct AttentionSequence(int FirstToken, int Tokens, int Position, int FirstSlot)
{
    /// <summary>Of the structure.</summary>
    public const int Bytes = 16;
}

/// <summary>Rows of a sequence that one block of the grid computes, for each KV head.</summary>
/// <param name="Sequence">Which.</param>
/// <param name="FirstRow">A multiple of <see cref="AttentionKernel.PrefillRows"/>; decode: 0.</param>
/// <param name="Segment">Decode: the segment.</param>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal readonly record struct AttentionTile(int Sequence, int FirstRow, int Segment)
{
    /// <summary>Of the structure.</summary>
    public const int Bytes = 16;
}
