using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Benchmarks;

/// <summary>Uniform values, cheap to make.</summary>
internal sealed class RandomTensor(string name, float scale, params int[] shape) : TensorSource(name, shape)
{
    public override void CopyRow(int row, Span<ushort> destination)
    {
        uint state = (uint)(row + 1) * 2654435761;
        for (int i = 0; i < destination.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            destination[i] = Bf16.FromSingle(((int)state / 2147483648f) * scale);
        }
    }
}
