using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

/// <summary>A tensor of bf16 bits in memory.</summary>
internal sealed class ArrayTensor(string name, ushort[] values, params int[] shape) : TensorSource(name, shape)
{
    public ushort[] Values { get; } = values;

    public ReadOnlySpan<ushort> Row(int row) => Values.AsSpan(row * Columns, Columns);

    public override void CopyRow(int row, Span<ushort> destination) => Row(row).CopyTo(destination);

    public static ArrayTensor Random(Random random, float scale, params int[] shape)
    {
        ushort[] values = new ushort[shape.Aggregate(1, (a, b) => a * b)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Bf16.FromSingle((random.NextSingle() - 0.5f) * 2 * scale);
        }

        return new ArrayTensor("random", values, shape);
    }
}
