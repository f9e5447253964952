using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Experts;

/// <summary>What choosing the experts reads and writes, on the device.</summary>
internal readonly record struct RouteOperands
{
    /// <summary>[Rows, Width] bf16.</summary>
    public required DeviceSpan Input { get; init; }

    /// <summary>[experts, Width], packed by PackWeights.</summary>
    public required DeviceSpan Router { get; init; }

    /// <summary>int32: how many rows count, from 0 to Rows; the rest is padding. Lies there until the step's experts are done.</summary>
    public required DeviceSpan RowCount { get; init; }

    /// <summary>Rows of the launch, from 1 to the routing's.</summary>
    public required int Rows { get; init; }

    /// <summary>K, a multiple of 8.</summary>
    public required int Width { get; init; }

    /// <summary>Whether a row's weights sum to one.</summary>
    public required bool Normalize { get; init; }

    /// <summary>Receives the result.</summary>
    public required ExpertRoutingMemory Routing { get; init; }
}

#pragma warning disable CS0649 // Unused fields fill the structures to a multiple of their alignment, as in the kernels' texts.

/// <summary>As in Route.cu.</summary>
internal struct RouteArguments
{
    public CUdeviceptr Logits;
    public CUdeviceptr RowCount;
    public CUdeviceptr Chosen;
    public CUdeviceptr Weights;
    public CUdeviceptr Grouped;
    public CUdeviceptr Work;
    public CUdeviceptr Ticket;
    public uint Rows;
    public uint Experts;
    public uint Slots;
    public uint Normalize;
    public uint TileTokens;
    public uint TreeLanes;
}

/// <summary>As in ExpertProduct.cu.</summary>
internal struct ExpertProductArguments
{
    public CUdeviceptr Packed;
    public CUdeviceptr Input;
    public CUdeviceptr Work;
    public CUdeviceptr Grouped;
    public CUdeviceptr Output;
    public ulong ExpertBytes;
    public uint WeightTiles;
    public uint Width;
    public uint Outputs;
    public uint Epilogue;
    public uint EntriesPerRow;
    public uint PackedRows;
}

/// <summary>As in Combine.cu.</summary>
internal struct CombineArguments
{
    public CUdeviceptr Outputs;
    public CUdeviceptr Weights;
    public CUdeviceptr Residual;
    public CUdeviceptr RowCount;
    public uint Rows;
    public uint Slots;
    public uint Columns;
    public uint First;
    public uint Width;
    public uint Unused;
}
