using Grid.Numerics;

namespace Grid.Models.Operations;

/// <summary>
/// A tensor that no file holds: <see cref="DummyWeights"/> makes its values from its name and shape. A device may make
/// them itself, from <see cref="Values"/>, instead of copying rows.
/// </summary>
public sealed class GeneratedTensor(string name, IReadOnlyList<int> shape, ulong seed = 0) : TensorSource(name, shape)
{
    /// <summary>How the values come about; value i has the flat (row-major) index i.</summary>
    public DummyTensor Values { get; } = DummyWeights.Describe(name, seed, [.. shape]);

    /// <inheritdoc/>
    public override void CopyRow(int row, Span<ushort> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, Columns);
        DummyWeights.Fill(Values, (long)row * Columns, destination);
    }
}
