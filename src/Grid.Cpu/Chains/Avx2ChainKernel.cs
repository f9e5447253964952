using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Grid.Cpu.Chains;

/// <summary>
/// The chain with 8 columns in a 256-bit vector, a tile in two halves; otherwise as <see cref="Avx512ChainKernel"/>.
/// AVX2 cannot round toward zero on request, so the last conversion rounds to nearest and takes the excess back.
/// </summary>
internal sealed unsafe class Avx2ChainKernel : ChainKernel
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        for (int r = 0; r < rows; r++)
        {
            RunRow(weights, steps, x + (r * xStride), exponents + (r * xStride), acc + (r * accStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRow(ushort* weights, int steps, float* x, ushort* exponents, float* acc)
    {
        var left = Vector256.Load(acc);
        var right = Vector256.Load(acc + 8);
        for (int s = 0; s < steps; s++)
        {
            ushort* w = weights + ((nint)s * StepWeights);
            Prefetch(w);
            left = Step(w, 0, (uint*)(exponents + (s * 16)), x + (s * 16), left);
            right = Step(w, 8, (uint*)(exponents + (s * 16)), x + (s * 16), right);
        }

        left.Store(acc);
        right.Store(acc + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Step(ushort* stepWeights, int half, uint* e, float* x, Vector256<float> c)
    {
        uint* w = (uint*)stepWeights + half;
        var a = Avx2.Max(Avx2.Max(Sum(w, e[0]), Sum(w + 16, e[1])), Avx2.Max(Sum(w + 32, e[2]), Sum(w + 48, e[3])));
        var b = Avx2.Max(Avx2.Max(Sum(w + 64, e[4]), Sum(w + 80, e[5])), Avx2.Max(Sum(w + 96, e[6]), Sum(w + 112, e[7])));
        var both = Avx2.Max(a, b).AsUInt32();
        var sums = Avx2.Max(both << 16, both & Vector256.Create(0xFFFF0000u));
        var top = Avx2.Max((sums - Vector256.Create(127u << 23)).AsInt32(), c.AsInt32() & Vector256.Create(0x7F800000));
        var scale = (Vector256.Create((127 + 127 + 25) << 23) - top).AsSingle();
        var p = Pair(w, scale, x) + Pair(w + 16, scale, x + 2);
        var q = Pair(w + 32, scale, x + 4) + Pair(w + 48, scale, x + 6);
        p += Pair(w + 64, scale, x + 8) + Pair(w + 80, scale, x + 10);
        q += Pair(w + 96, scale, x + 12) + Pair(w + 112, scale, x + 14);
        return Finish(c, p + q, top, scale, stepWeights, half, x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Sum(uint* w, uint pair) =>
        (Vector256.Load(w) & Vector256.Create(0x7F807F80u)).AsUInt16() + Vector256.Create(pair).AsUInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pair(uint* w, Vector256<float> scale, float* x)
    {
        var two = Vector256.Load(w);
        return Term((two << 16).AsSingle(), scale, x[0]) + Term((two & Vector256.Create(0xFFFF0000u)).AsSingle(), scale, x[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Term(Vector256<float> w, Vector256<float> scale, float x) =>
        Avx.ConvertToVector256Int32WithTruncation((w * Vector256.Create(x)) * scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Finish(
        Vector256<float> c, Vector256<int> products, Vector256<int> top, Vector256<float> scale, ushort* w, int half, float* x)
    {
        var sum = products + Avx.ConvertToVector256Int32WithTruncation(c * scale);
        var nearest = Avx.ConvertToVector256Single(sum);
        var back = Avx.ConvertToVector256Int32WithTruncation(nearest);
        var excess = Vector256.GreaterThan(Vector256.Abs(back), Vector256.Abs(sum)); // -1 where rounded away from zero
        var truncated = (nearest.AsInt32() + excess).AsSingle();
        var result = truncated * (top - Vector256.Create(25 << 23)).AsSingle();
        var outside = (top - Vector256.Create(LeastExponentBits)) | (Vector256.Create(LargestProductSum) - Vector256.Abs(products));
        uint lanes = outside.ExtractMostSignificantBits();
        return lanes == 0 ? result : Repair(c, result, lanes, w, half, x);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<float> Repair(Vector256<float> c, Vector256<float> result, uint lanes, ushort* w, int half, float* x)
    {
        for (int lane = 0; lane < 8; lane++)
        {
            if (((lanes >> lane) & 1) != 0)
            {
                result = result.WithElement(lane, IntegerChainKernel.StepLane(w, half + lane, x, c.GetElement(lane)));
            }
        }

        return result;
    }
}
