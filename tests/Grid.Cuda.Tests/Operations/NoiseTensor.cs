using Grid.Models.Operations;
using Grid.Models.SelfTest;

namespace Grid.Cuda.Tests;

/// <summary>A tensor as a checkpoint gives it, row by row; its values follow from its stream's number.</summary>
internal sealed class NoiseTensor(string name, int stream, params int[] shape) : TensorSource(name, shape)
{
    public override void CopyRow(int row, Span<ushort> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = DeviceSelfTest.Element(stream, ((long)row * Columns) + i);
        }
    }
}

/// <summary>A tensor that cannot be read.</summary>
internal sealed class BrokenTensor(string name, params int[] shape) : TensorSource(name, shape)
{
    public override void CopyRow(int row, Span<ushort> destination) => throw new InvalidDataException($"{Name} is broken in row {row}");
}
