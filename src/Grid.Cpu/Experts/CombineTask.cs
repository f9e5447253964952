using System.Runtime.Intrinsics;
using Grid.Cpu.Memory;
using Grid.Cpu.Rows;
using Grid.Cpu.Threading;
using Grid.Numerics;

namespace Grid.Cpu.Experts;

/// <summary>residual = bf16(float(residual) + c), c = fma(weight, output, c) over the row's slots in ascending order, from +0.</summary>
internal sealed unsafe class CombineTask : RowTask
{
    private CpuExpertRouting _routing = null!;
    private CpuActivation _residual = null!;

    public void Run(WorkCrew crew, CpuExpertRouting routing, CpuActivation residual)
    {
        (_routing, _residual) = (routing, residual);
        RunRows(crew, routing.Rows);
    }

    protected override void ExecuteRow(int row)
    {
        int slots = _routing.Slots;
        int width = _residual.Width;
        float* outputs = _routing.Outputs.Pointer + ((long)row * slots * width);
        ushort* target = _residual.Data.Pointer + ((long)row * width);
        ReadOnlySpan<float> weights = _routing.Weights.AsSpan(row * slots, slots);
        int i = 0;
        for (; i + 16 <= width; i += 16)
        {
            var sum = Vector512<float>.Zero;
            for (int slot = 0; slot < weights.Length; slot++)
            {
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(weights[slot]), Vector512.Load(outputs + ((long)slot * width) + i), sum);
            }

            VectorBf16.StoreRounded(VectorBf16.Widen(target + i) + sum, target + i);
        }

        for (; i < width; i++)
        {
            float sum = 0f;
            for (int slot = 0; slot < weights.Length; slot++)
            {
                sum = MathF.FusedMultiplyAdd(weights[slot], outputs[((long)slot * width) + i], sum);
            }

            target[i] = Bf16.FromSingle(Bf16.ToSingle(target[i]) + sum);
        }
    }
}
