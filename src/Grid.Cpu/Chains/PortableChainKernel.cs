using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Grid.Cpu.Chains;

/// <summary>
/// The chain with 4 columns in a 128-bit vector, in operations that every machine with such vectors has (SSE, NEON);
/// otherwise as <see cref="Avx2ChainKernel"/>. Machines without any take the integer form.
/// </summary>
internal sealed unsafe class PortableChainKernel : ChainKernel
{
    private const int Lanes = 4;
    private readonly IntegerChainKernel _integer = new();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        if (!Vector128.IsHardwareAccelerated)
        {
            _integer.Run(weights, steps, x, exponents, xStride, rows, acc, accStride);
            return;
        }

        for (int column = 0; column < Columns; column += Lanes)
        {
            for (int r = 0; r < rows; r++)
            {
                RunColumns(weights, column, steps, x + (r * xStride), exponents + (r * xStride), acc + (r * accStride) + column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunColumns(ushort* weights, int column, int steps, float* x, ushort* exponents, float* acc)
    {
        var c = Vector128.Load(acc);
        for (int s = 0; s < steps; s++)
        {
            ushort* stepWeights = weights + ((nint)s * StepWeights);
            uint* w = (uint*)stepWeights + column;
            uint* e = (uint*)(exponents + (s * 16));
            float* xs = x + (s * 16);
            var most = Sum(w, e[0]);
            for (int pair = 1; pair < 8; pair++)
            {
                most = Vector128.Max(most, Sum(w + (pair * Columns), e[pair]));
            }

            var both = most.AsUInt32();
            var sums = Vector128.Max(both << 16, both & Vector128.Create(0xFFFF0000u));
            var top = Vector128.Max((sums - Vector128.Create(127u << 23)).AsInt32(), c.AsInt32() & Vector128.Create(0x7F800000));
            var scale = (Vector128.Create((127 + 127 + 25) << 23) - top).AsSingle();
            var products = Vector128<int>.Zero;
            for (int pair = 0; pair < 8; pair++)
            {
                var two = Vector128.Load(w + (pair * Columns));
                products += Term((two << 16).AsSingle(), scale, xs[2 * pair]);
                products += Term((two & Vector128.Create(0xFFFF0000u)).AsSingle(), scale, xs[(2 * pair) + 1]);
            }

            c = Finish(c, products, top, scale, stepWeights, column, xs);
        }

        c.Store(acc);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Sum(uint* w, uint pair) =>
        (Vector128.Load(w) & Vector128.Create(0x7F807F80u)).AsUInt16() + Vector128.Create(pair).AsUInt16();

    // Lanes out of int32's range are repaired afterwards, so what the machine makes of them does not matter.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Term(Vector128<float> w, Vector128<float> scale, float x) =>
        Vector128.ConvertToInt32Native(w * (scale * Vector128.Create(x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Finish(
        Vector128<float> c, Vector128<int> products, Vector128<int> top, Vector128<float> scale, ushort* w, int column, float* x)
    {
        var sum = products + Vector128.ConvertToInt32Native(c * scale);
        var nearest = Vector128.ConvertToSingle(sum);
        var back = Vector128.ConvertToInt32Native(nearest);
        var excess = Vector128.GreaterThan(Vector128.Abs(back), Vector128.Abs(sum)); // -1 where rounded away from zero
        var result = (nearest.AsInt32() + excess).AsSingle() * (top - Vector128.Create(25 << 23)).AsSingle();
        var outside = (top - Vector128.Create(LeastExponentBits)) | (Vector128.Create(LargestProductSum) - Vector128.Abs(products));
        uint lanes = outside.ExtractMostSignificantBits();
        return lanes == 0 ? result : Repair(c, result, lanes, w, column, x);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector128<float> Repair(Vector128<float> c, Vector128<float> result, uint lanes, ushort* w, int column, float* x)
    {
        for (int lane = 0; lane < Lanes; lane++)
        {
            if (((lanes >> lane) & 1) != 0)
            {
                result = result.WithElement(lane, IntegerChainKernel.StepLane(w, column + lane, x, c.GetElement(lane)));
            }
        }

        return result;
    }
}
