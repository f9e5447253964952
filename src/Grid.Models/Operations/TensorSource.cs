namespace Grid.Models.Operations;

/// <summary>A checkpoint tensor that can be read a row at a time as bf16, wherever it comes from.</summary>
public abstract class TensorSource(string name, IReadOnlyList<int> shape)
{
    /// <summary>The tensor's name in the checkpoint.</summary>
    public string Name { get; } = name;

    /// <summary>[rows, columns], [length] for a vector (one row), or [] for a single value.</summary>
    public IReadOnlyList<int> Shape { get; } = shape;

    /// <summary>1 for a vector.</summary>
    public int Rows => Shape.Count < 2 ? 1 : Shape[0];

    /// <summary>The length of a row.</summary>
    public int Columns => Shape.Count == 0 ? 1 : Shape[^1];

    /// <summary>Copies one row as bf16 bits. Rows are independent, so callers may read in parallel.</summary>
    public abstract void CopyRow(int row, Span<ushort> destination);
}
