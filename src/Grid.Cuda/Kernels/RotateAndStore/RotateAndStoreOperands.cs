using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.RotateAndStore;

/// <summary>What RotateAndStore reads and writes, on the device.</summary>
internal readonly record struct RotateAndStoreOperands
{
    /// <summary>[Rows, (QueryHeads + 2 * KvHeads) * headDim] bf16: q heads, k heads, v heads. q is rotated in place, k and v stay as they are.</summary>
    public required DeviceSpan Qkv { get; init; }

    /// <summary>[headDim] bf16; default: q is not normalised.</summary>
    public DeviceSpan QueryNorm { get; init; }

    /// <summary>[headDim] bf16; default: k is not normalised.</summary>
    public DeviceSpan KeyNorm { get; init; }

    /// <summary>Added to the mean square of a head; used with a norm only.</summary>
    public float Epsilon { get; init; }

    /// <summary>[TablePositions, headDim / 2] fp32.</summary>
    public required DeviceSpan Cos { get; init; }

    /// <summary>[TablePositions, headDim / 2] fp32.</summary>
    public required DeviceSpan Sin { get; init; }

    /// <summary>Positions that the tables have.</summary>
    public required int TablePositions { get; init; }

    /// <summary>[Rows] int32, each in [0, TablePositions): checked by whoever wrote them there. Of padded rows anything.</summary>
    public required DeviceSpan Positions { get; init; }

    /// <summary>[Rows] int32: page * 64 + token in the page, no two alike and each within the pages: checked by whoever wrote them
    /// there. Below 0: a row that pads the batch; it is left as it is and stored nowhere.</summary>
    public required DeviceSpan Slots { get; init; }

    /// <summary>The layer's pages, as <see cref="Attention.AttentionOperands.Pages"/>.</summary>
    public required DeviceSpan Pages { get; init; }

    /// <summary>At least 1, padded rows included.</summary>
    public required int Rows { get; init; }

    public required int QueryHeads { get; init; }

    public required int KvHeads { get; init; }
}
