using System.Runtime.CompilerServices;

namespace Grid.Numerics;

/// <summary>
/// The contract's own elementary functions: IEEE operations, round to nearest even, and FMA only, so that every platform
/// and device gives the same bits. CONTRACT.md states each one operation by operation.
/// <see cref="VectorTranscendentals"/> mirrors the fp32 ones.
/// </summary>
public static partial class Transcendentals
{
    /// <summary>log2(e) rounded to fp32, 0x3FB8AA3B.</summary>
    public const float Log2E = 1.44269504f;

    /// <summary>ln(2) rounded to fp32, 0x3F317218.</summary>
    public const float Ln2 = 0.69314718f;

    // 1.5 * 2^23. Adding it rounds to an integer (nearest, ties to even), whose two's complement is then in the low bits.
    internal const float RoundingShift = 12582912f;
    internal const int RoundingShiftBits = 0x4B400000;

    internal const float Exp2Lowest = -151f;
    internal const float Exp2Highest = 129f;

    // 2^f = 1 + f * (E1 + f * (E2 + ...)) on [-0.5, 0.5]: minimax in relative error with the constant fixed at 1,
    // each coefficient then rounded to fp32; relative error 9.7e-9 before rounding in the evaluation.
    internal const float E1 = 0.69314718f;      // 0x3F317218
    internal const float E2 = 0.24022649f;      // 0x3E75FDEF
    internal const float E3 = 0.055503584f;     // 0x3D6357BA
    internal const float E4 = 0.0096184425f;    // 0x3C1D96AC
    internal const float E5 = 0.0013390366f;    // 0x3AAF829D
    internal const float E6 = 0.00015337579f;   // 0x3920D380

    // log2(1 + f) = f * LHigh + f * (LLow + f * (L0 + f * (L1 + ...))) on [sqrt(1/2) - 1, sqrt(2) - 1]: LHigh + LLow is
    // log2(e), the rest minimax; relative error 7.0e-9 before rounding in the evaluation.
    internal const float LHigh = 1.44269504f;   // 0x3FB8AA3B
    internal const float LLow = 1.9259631e-8f;  // 0x32A57060
    internal const float L0 = -0.7213475f;      // 0xBF38AA3B
    internal const float L1 = 0.4808982f;       // 0x3EF6384A
    internal const float L2 = -0.36067334f;     // 0xBEB8AA2D
    internal const float L3 = 0.28855976f;      // 0x3E93BE1B
    internal const float L4 = -0.24049191f;     // 0xBE764383
    internal const float L5 = 0.20535518f;      // 0x3E5248A1
    internal const float L6 = -0.17867608f;     // 0xBE36F6DD
    internal const float L7 = 0.16969728f;      // 0x3E2DC520
    internal const float L8 = -0.16956681f;     // 0xBE2DA2EC
    internal const float L9 = 0.10271138f;      // 0x3DD25A58

    internal const float SmallestNormal = 1.17549435e-38f;
    internal const float SubnormalScale = 8388608f; // 2^23
    internal const float SubnormalExponent = -23f;
    internal const int SqrtHalfBits = 0x3F3504F3;

    /// <summary>
    /// 2^x in fp32, within 1 ulp. Exact at integers; +infinity from 128 on; +0 below -150; subnormal results are rounded
    /// once, to nearest even. NaN gives NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp2(float x)
    {
        // Comparisons are false for NaN, which therefore flows through every operation below.
        float c = x < Exp2Lowest ? Exp2Lowest : x;
        c = c > Exp2Highest ? Exp2Highest : c;

        float shifted = c + RoundingShift;
        int n = BitConverter.SingleToInt32Bits(shifted) - RoundingShiftBits;
        float f = c - (shifted - RoundingShift);

        float p = E6;
        p = MathF.FusedMultiplyAdd(p, f, E5);
        p = MathF.FusedMultiplyAdd(p, f, E4);
        p = MathF.FusedMultiplyAdd(p, f, E3);
        p = MathF.FusedMultiplyAdd(p, f, E2);
        p = MathF.FusedMultiplyAdd(p, f, E1);
        p = MathF.FusedMultiplyAdd(p, f, 1f);

        // Two factors, because 2^n itself may be no normal number. The first product is exact.
        int half = n >> 1;
        return p * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary>
    /// log2(x) in fp32, within 1 ulp, also next to 1 and for subnormal x. Exact at powers of two. 0 gives -infinity,
    /// +infinity itself, a negative number or NaN gives NaN.
    /// </summary>
    public static float Log2(float x)
    {
        if (!(x > 0f))
        {
            return x == 0f ? float.NegativeInfinity : float.NaN;
        }

        if (float.IsPositiveInfinity(x))
        {
            return x;
        }

        bool subnormal = x < SmallestNormal;
        float y = subnormal ? x * SubnormalScale : x;
        float bias = subnormal ? SubnormalExponent : 0f;

        // y = 2^e * m with m in [sqrt(1/2), sqrt(2)), so that f = m - 1 is exact and small when x is near 1.
        int bits = BitConverter.SingleToInt32Bits(y);
        int e = (bits - SqrtHalfBits) >> 23;
        float f = BitConverter.Int32BitsToSingle(bits - (e << 23)) - 1f;

        float q = L9;
        q = MathF.FusedMultiplyAdd(q, f, L8);
        q = MathF.FusedMultiplyAdd(q, f, L7);
        q = MathF.FusedMultiplyAdd(q, f, L6);
        q = MathF.FusedMultiplyAdd(q, f, L5);
        q = MathF.FusedMultiplyAdd(q, f, L4);
        q = MathF.FusedMultiplyAdd(q, f, L3);
        q = MathF.FusedMultiplyAdd(q, f, L2);
        q = MathF.FusedMultiplyAdd(q, f, L1);
        q = MathF.FusedMultiplyAdd(q, f, L0);
        q = MathF.FusedMultiplyAdd(q, f, LLow);
        float log = MathF.FusedMultiplyAdd(f, LHigh, f * q);
        return e + bias + log;
    }

    /// <summary>
    /// x * sigmoid(x) in fp32: t = Exp2(x * -Log2E), then x / (1 + t). Where t overflows (x below about -88.7) the result
    /// is -0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Silu(float x) => x / (1f + Exp2(x * -Log2E));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float PowerOfTwo(int n) => BitConverter.Int32BitsToSingle((n + 127) << 23);
}
