using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Product;

/// <summary>What becomes of a chain (contract, section 3).</summary>
internal enum ProductEpilogue
{
    /// <summary>bf16(acc); with a bias bf16(acc + bias).</summary>
    Store = 0,

    /// <summary>bf16(float(residual) + acc).</summary>
    Add = 1,

    /// <summary>bf16(Silu(gate) * up).</summary>
    GatedSilu = 2,

    /// <summary>acc in fp32: logits, a router's logits, an expert's down.</summary>
    Raw = 3,
}

/// <summary>Some of them, a bit each.</summary>
[Flags]
internal enum ProductEpilogues
{
    Store = 1 << ProductEpilogue.Store,
    Add = 1 << ProductEpilogue.Add,
    GatedSilu = 1 << ProductEpilogue.GatedSilu,
    Raw = 1 << ProductEpilogue.Raw,
    All = Store | Add | GatedSilu | Raw,
}

/// <summary>What a matrix product reads and writes, on the device.</summary>
internal readonly record struct ProductOperands
{
    /// <summary>
    /// The weights, packed by PackWeights, and <see cref="PackWeights.PackedLayout.ReadAheadBytes"/> behind them; for
    /// <see cref="ProductEpilogue.GatedSilu"/> gate and up interleaved.
    /// </summary>
    public required DeviceSpan Weights { get; init; }

    /// <summary>
    /// [rows, Width] bf16, row-major: the whole buffer, from token 0 on. Never the output. Rows past the tokens may be read, whatever
    /// they hold: a copy that ends with the tokens is slower by up to a quarter.
    /// </summary>
    public required DeviceSpan Input { get; init; }

    /// <summary>[Outputs] bf16, for <see cref="ProductEpilogue.Store"/>; default: none.</summary>
    public DeviceSpan Bias { get; init; }

    /// <summary>[Tokens, Outputs] bf16, for <see cref="ProductEpilogue.Add"/>; may be the output.</summary>
    public DeviceSpan Residual { get; init; }

    /// <summary>[Tokens, Outputs], row-major: fp32 for <see cref="ProductEpilogue.Raw"/>, else bf16.</summary>
    public required DeviceSpan Output { get; init; }

    /// <summary>M, at least 1.</summary>
    public required int Tokens { get; init; }

    /// <summary>K, a multiple of 8.</summary>
    public required int Width { get; init; }

    /// <summary>Columns of the output, at least 1: rows of the weights, and of each of gate and up for GatedSilu.</summary>
    public required int Outputs { get; init; }

    public required ProductEpilogue Epilogue { get; init; }
}
