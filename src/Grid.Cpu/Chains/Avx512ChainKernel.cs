using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Grid.Cpu.Chains;

/// <summary>
/// The chain with 16 columns in a 512-bit vector. Two passes a step: the largest exponent, on 16-bit lanes holding two k
/// at once; then each product, exact in fp32, scaled by 2^(25-E), truncated to an int32 and added. One conversion with
/// rounding toward zero ends the step.
/// </summary>
/// <remarks>
/// A step waits for the accumulator of the step before it, so two chains always run side by side: two rows, or two tiles
/// of one row. The scale comes last, because only it needs the accumulator. Few rows read their weights from memory;
/// the hardware's own prefetcher does not keep up with that, so they are asked for four steps ahead.
/// </remarks>
internal sealed unsafe class Avx512ChainKernel : ChainKernel
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        int paired = rows & ~1;
        if (paired > 0)
        {
            RunRowPairs(weights, steps, x, exponents, xStride, paired, acc, accStride);
        }

        if (paired < rows)
        {
            RunRow(weights, steps, x + (paired * xStride), exponents + (paired * xStride), acc + (paired * accStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void RunTwoTiles(
        ushort* first, ushort* second, int steps, float* x, ushort* exponents, float* accFirst, float* accSecond)
    {
        var c = Vector512.Load(accFirst);
        var d = Vector512.Load(accSecond);
        for (int s = 0; s < steps; s++)
        {
            uint* e = (uint*)(exponents + (s * 16));
            float* xs = x + (s * 16);
            ushort* one = first + ((nint)s * StepWeights);
            ushort* two = second + ((nint)s * StepWeights);
            Prefetch(one);
            c = Step((uint*)one, e, xs, c);
            Prefetch(two);
            d = Step((uint*)two, e, xs, d);
        }

        c.Store(accFirst);
        d.Store(accSecond);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRow(ushort* weights, int steps, float* x, ushort* exponents, float* acc)
    {
        var c = Vector512.Load(acc);
        for (int s = 0; s < steps; s++)
        {
            ushort* w = weights + ((nint)s * StepWeights);
            Prefetch(w);
            c = Step((uint*)w, (uint*)(exponents + (s * 16)), x + (s * 16), c);
        }

        c.Store(acc);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRowPairs(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        for (int s = 0; s < steps; s++)
        {
            uint* w = (uint*)(weights + ((nint)s * StepWeights));
            Prefetch((ushort*)w);
            Vector512<uint> w0 = Vector512.Load(w), w1 = Vector512.Load(w + 16), w2 = Vector512.Load(w + 32), w3 = Vector512.Load(w + 48);
            Vector512<uint> w4 = Vector512.Load(w + 64), w5 = Vector512.Load(w + 80), w6 = Vector512.Load(w + 96), w7 = Vector512.Load(w + 112);
            for (int r = 0; r < rows; r += 2)
            {
                float* xs = x + (r * xStride) + (s * 16);
                float* ys = xs + xStride;
                uint* ex = (uint*)(exponents + (r * xStride) + (s * 16));
                uint* ey = (uint*)(exponents + ((r + 1) * xStride) + (s * 16));
                float* target = acc + (r * accStride);
                var c = Vector512.Load(target);
                var d = Vector512.Load(target + accStride);
                Vector512<ushort> f0 = Field(w0), f1 = Field(w1), f2 = Field(w2), f3 = Field(w3);
                Vector512<ushort> f4 = Field(w4), f5 = Field(w5), f6 = Field(w6), f7 = Field(w7);
                var topX = Largest(f0, f1, f2, f3, f4, f5, f6, f7, ex, c);
                var topY = Largest(f0, f1, f2, f3, f4, f5, f6, f7, ey, d);
                var scaleX = Scale(topX);
                var scaleY = Scale(topY);
                var p = Vector512<int>.Zero;
                var q = Vector512<int>.Zero;
                AddPairs(w0, scaleX, scaleY, xs, ys, ref p, ref q);
                AddPairs(w1, scaleX, scaleY, xs + 2, ys + 2, ref p, ref q);
                AddPairs(w2, scaleX, scaleY, xs + 4, ys + 4, ref p, ref q);
                AddPairs(w3, scaleX, scaleY, xs + 6, ys + 6, ref p, ref q);
                AddPairs(w4, scaleX, scaleY, xs + 8, ys + 8, ref p, ref q);
                AddPairs(w5, scaleX, scaleY, xs + 10, ys + 10, ref p, ref q);
                AddPairs(w6, scaleX, scaleY, xs + 12, ys + 12, ref p, ref q);
                AddPairs(w7, scaleX, scaleY, xs + 14, ys + 14, ref p, ref q);
                Finish(c, p, topX, scaleX, (ushort*)w, xs).Store(target);
                Finish(d, q, topY, scaleY, (ushort*)w, ys).Store(target + accStride);
            }
        }
    }

    /// <summary>One row, one step, one tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Step(uint* w, uint* e, float* x, Vector512<float> c)
    {
        Vector512<uint> w0 = Vector512.Load(w), w1 = Vector512.Load(w + 16), w2 = Vector512.Load(w + 32), w3 = Vector512.Load(w + 48);
        Vector512<uint> w4 = Vector512.Load(w + 64), w5 = Vector512.Load(w + 80), w6 = Vector512.Load(w + 96), w7 = Vector512.Load(w + 112);
        var top = Largest(Field(w0), Field(w1), Field(w2), Field(w3), Field(w4), Field(w5), Field(w6), Field(w7), e, c);
        var scale = Scale(top);
        var p = Pair(w0, scale, x) + Pair(w1, scale, x + 2);
        var q = Pair(w2, scale, x + 4) + Pair(w3, scale, x + 6);
        p += Pair(w4, scale, x + 8) + Pair(w5, scale, x + 10);
        q += Pair(w6, scale, x + 12) + Pair(w7, scale, x + 14);
        return Finish(c, p + q, top, scale, (ushort*)w, x);
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
    private static Vector512<int> Largest(
        Vector512<ushort> f0, Vector512<ushort> f1, Vector512<ushort> f2, Vector512<ushort> f3,
        Vector512<ushort> f4, Vector512<ushort> f5, Vector512<ushort> f6, Vector512<ushort> f7, uint* e, Vector512<float> c)
    {
        var a = Max(Max(Sum(f0, e[0]), Sum(f1, e[1])), Max(Sum(f2, e[2]), Sum(f3, e[3])));
        var b = Max(Max(Sum(f4, e[4]), Sum(f5, e[5])), Max(Sum(f6, e[6]), Sum(f7, e[7])));
        var both = Max(a, b).AsUInt32();
        var sum = Avx512F.Max(both << 16, both & Vector512.Create(0xFFFF0000u));
        var products = (sum - Vector512.Create(127u << 23)).AsInt32();
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
        Avx512F.ConvertToVector512Int32WithTruncation((w * Vector512.Create(x)) * scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Pair(Vector512<uint> w, Vector512<float> scale, float* x) =>
        Term(Even(w), scale, x[0]) + Term(Odd(w), scale, x[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPairs(
        Vector512<uint> w, Vector512<float> scaleX, Vector512<float> scaleY, float* x, float* y,
        ref Vector512<int> p, ref Vector512<int> q)
    {
        Vector512<float> even = Even(w), odd = Odd(w);
        p += Term(even, scaleX, x[0]) + Term(odd, scaleX, x[1]);
        q += Term(even, scaleY, y[0]) + Term(odd, scaleY, y[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Finish(
        Vector512<float> c, Vector512<int> products, Vector512<int> top, Vector512<float> scale, ushort* w, float* x)
    {
        var sum = products + Avx512F.ConvertToVector512Int32WithTruncation(c * scale);
        var unit = (top - Vector512.Create(25 << 23)).AsSingle(); // 2^(E-25); E is at least -60 here
        var result = Avx512F.ConvertToVector512Single(sum, FloatRoundingMode.ToZero) * unit;

        // A sign bit marks a lane that these steps do not cover.
        var outside = (top - Vector512.Create(LeastExponentBits)) | (Vector512.Create(LargestProductSum) - Vector512.Abs(products));
        ulong lanes = outside.ExtractMostSignificantBits();
        return lanes == 0 ? result : Repair(c, result, lanes, w, x);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector512<float> Repair(Vector512<float> c, Vector512<float> result, ulong lanes, ushort* w, float* x)
    {
        // Columns of zeros (keys not written yet) are the usual reason to come here, and change nothing but -0 to +0.
        uint* p = (uint*)w;
        var any = Vector512.Load(p) | Vector512.Load(p + 16) | Vector512.Load(p + 32) | Vector512.Load(p + 48)
            | Vector512.Load(p + 64) | Vector512.Load(p + 80) | Vector512.Load(p + 96) | Vector512.Load(p + 112);
        var empty = Vector512.Equals(any & Vector512.Create(0x7FFF7FFFu), Vector512<uint>.Zero);
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
