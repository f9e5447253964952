using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Grid.Cpu.Chains;

/// <summary>
/// The chain with 16 columns in a 512-bit vector. Two passes a step: the largest exponent, on 16-bit lanes holding two k
/// at once; then each product, exact in fp32 and scaled by 2^(25-E), truncated to an int32 and added. One conversion
/// with rounding toward zero ends the step.
/// </summary>
internal sealed unsafe class Avx512ChainKernel : ChainKernel
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        if (rows == 1)
        {
            RunRow(weights, steps, x, exponents, acc);
        }
        else
        {
            RunRows(weights, steps, x, exponents, xStride, rows, acc, accStride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRow(ushort* weights, int steps, float* x, ushort* exponents, float* acc)
    {
        Vector512<float> c = Vector512.Load(acc);
        for (int s = 0; s < steps; s++)
        {
            uint* w = (uint*)(weights + ((nint)s * StepWeights));
            uint* e = (uint*)(exponents + (s * 16));
            float* xs = x + (s * 16);
            Vector512<uint> w0 = Vector512.Load(w), w1 = Vector512.Load(w + 16), w2 = Vector512.Load(w + 32), w3 = Vector512.Load(w + 48);
            Vector512<uint> w4 = Vector512.Load(w + 64), w5 = Vector512.Load(w + 80), w6 = Vector512.Load(w + 96), w7 = Vector512.Load(w + 112);
            Vector512<int> top = Largest(
                Max(Max(Sum(Field(w0), e[0]), Sum(Field(w1), e[1])), Max(Sum(Field(w2), e[2]), Sum(Field(w3), e[3]))),
                Max(Max(Sum(Field(w4), e[4]), Sum(Field(w5), e[5])), Max(Sum(Field(w6), e[6]), Sum(Field(w7), e[7]))), c);
            Vector512<float> scale = Scale(top);
            Vector512<int> p = Pair(w0, scale, xs) + Pair(w1, scale, xs + 2);
            Vector512<int> q = Pair(w2, scale, xs + 4) + Pair(w3, scale, xs + 6);
            p += Pair(w4, scale, xs + 8) + Pair(w5, scale, xs + 10);
            q += Pair(w6, scale, xs + 12) + Pair(w7, scale, xs + 14);
            c = Finish(c, p + q, top, scale, (ushort*)w, xs);
        }

        c.Store(acc);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRows(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        Vector512<ushort>* f = stackalloc Vector512<ushort>[8];
        for (int s = 0; s < steps; s++)
        {
            uint* w = (uint*)(weights + ((nint)s * StepWeights));
            Vector512<uint> w0 = Vector512.Load(w), w1 = Vector512.Load(w + 16), w2 = Vector512.Load(w + 32), w3 = Vector512.Load(w + 48);
            Vector512<uint> w4 = Vector512.Load(w + 64), w5 = Vector512.Load(w + 80), w6 = Vector512.Load(w + 96), w7 = Vector512.Load(w + 112);
            Vector512<float> a0 = Even(w0), a1 = Even(w1), a2 = Even(w2), a3 = Even(w3), a4 = Even(w4), a5 = Even(w5), a6 = Even(w6), a7 = Even(w7);
            Vector512<float> b0 = Odd(w0), b1 = Odd(w1), b2 = Odd(w2), b3 = Odd(w3), b4 = Odd(w4), b5 = Odd(w5), b6 = Odd(w6), b7 = Odd(w7);
            f[0] = Field(w0);
            f[1] = Field(w1);
            f[2] = Field(w2);
            f[3] = Field(w3);
            f[4] = Field(w4);
            f[5] = Field(w5);
            f[6] = Field(w6);
            f[7] = Field(w7);
            for (int r = 0; r < rows; r++)
            {
                uint* e = (uint*)(exponents + (r * xStride) + (s * 16));
                float* xs = x + (r * xStride) + (s * 16);
                float* target = acc + (r * accStride);
                Vector512<float> c = Vector512.Load(target);
                Vector512<int> top = Largest(
                    Max(Max(Sum(f[0], e[0]), Sum(f[1], e[1])), Max(Sum(f[2], e[2]), Sum(f[3], e[3]))),
                    Max(Max(Sum(f[4], e[4]), Sum(f[5], e[5])), Max(Sum(f[6], e[6]), Sum(f[7], e[7]))), c);
                Vector512<float> scale = Scale(top);
                Vector512<int> p = Term(a0, scale, xs[0]) + Term(b0, scale, xs[1]);
                Vector512<int> q = Term(a1, scale, xs[2]) + Term(b1, scale, xs[3]);
                p += Term(a2, scale, xs[4]) + Term(b2, scale, xs[5]);
                q += Term(a3, scale, xs[6]) + Term(b3, scale, xs[7]);
                p += Term(a4, scale, xs[8]) + Term(b4, scale, xs[9]);
                q += Term(a5, scale, xs[10]) + Term(b5, scale, xs[11]);
                p += Term(a6, scale, xs[12]) + Term(b6, scale, xs[13]);
                q += Term(a7, scale, xs[14]) + Term(b7, scale, xs[15]);
                Finish(c, p + q, top, scale, (ushort*)w, xs).Store(target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ushort> Field(Vector512<uint> w) => (w & Vector512.Create(0x7F807F80u)).AsUInt16();

    // Sums of two exponent fields in the upper 9 bits of 16: at most 508, so unsigned 16 bits hold them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ushort> Sum(Vector512<ushort> field, uint pair) => field + Vector512.Create(pair).AsUInt16();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ushort> Max(Vector512<ushort> a, Vector512<ushort> b) => Avx512BW.Max(a, b);

    /// <summary>E + 127 in the exponent field's place, over products and accumulator.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Largest(Vector512<ushort> a, Vector512<ushort> b, Vector512<float> c)
    {
        Vector512<uint> both = Avx512BW.Max(a, b).AsUInt32();
        Vector512<uint> sum = Avx512F.Max(both << 16, both & Vector512.Create(0xFFFF0000u));
        Vector512<int> products = (sum - Vector512.Create(127u << 23)).AsInt32();
        return Avx512F.Max(products, c.AsInt32() & Vector512.Create(0x7F800000));
    }

    /// <summary>2^(25 - E).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Scale(Vector512<int> top) => (Vector512.Create((127 + 127 + 25) << 23) - top).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Even(Vector512<uint> w) => (w << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Odd(Vector512<uint> w) => (w & Vector512.Create(0xFFFF0000u)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Term(Vector512<float> w, Vector512<float> scale, float x) =>
        Avx512F.ConvertToVector512Int32WithTruncation(w * (scale * Vector512.Create(x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Pair(Vector512<uint> w, Vector512<float> scale, float* x) =>
        Term(Even(w), scale, x[0]) + Term(Odd(w), scale, x[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Finish(
        Vector512<float> c, Vector512<int> products, Vector512<int> top, Vector512<float> scale, ushort* w, float* x)
    {
        Vector512<int> sum = products + Avx512F.ConvertToVector512Int32WithTruncation(c * scale);
        Vector512<float> unit = (top - Vector512.Create(25 << 23)).AsSingle(); // 2^(E-25); E is at least -60 here
        Vector512<float> result = Avx512F.ConvertToVector512Single(sum, FloatRoundingMode.ToZero) * unit;

        // A sign bit marks a lane that these steps do not cover.
        Vector512<int> outside = (top - Vector512.Create(LeastExponentBits)) | (Vector512.Create(LargestProductSum) - Vector512.Abs(products));
        ulong lanes = outside.ExtractMostSignificantBits();
        return lanes == 0 ? result : Repair(c, result, lanes, w, x);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector512<float> Repair(Vector512<float> c, Vector512<float> result, ulong lanes, ushort* w, float* x)
    {
        // Columns of zeros (keys not written yet) are the usual reason to come here, and change nothing but -0 to +0.
        uint* p = (uint*)w;
        Vector512<uint> any = Vector512.Load(p) | Vector512.Load(p + 16) | Vector512.Load(p + 32) | Vector512.Load(p + 48)
            | Vector512.Load(p + 64) | Vector512.Load(p + 80) | Vector512.Load(p + 96) | Vector512.Load(p + 112);
        Vector512<uint> empty = Vector512.Equals(any & Vector512.Create(0x7FFF7FFFu), Vector512<uint>.Zero);
        result = Vector512.ConditionalSelect(empty.AsSingle(), c + Vector512<float>.Zero, result);
        lanes &= ~empty.ExtractMostSignificantBits();
        for (int lane = 0; lane < Columns; lane++)
        {
            if (((lanes >> lane) & 1) != 0)
            {
                result = result.WithElement(lane, IntegerChainKernel.StepLane(w, lane, x, c.GetElement(lane)));
            }
        }

        return result;
    }
}
