using System.Runtime.Intrinsics;

namespace Grid.Numerics.Tests;

public sealed class TranscendentalsTests(ITestOutputHelper output)
{
    private const float Tiny = 7.450580596923828e-09f; // 2^-27

    [Fact]
    public void Exp2_is_within_one_ulp_over_every_float_that_matters()
    {
        // Every float of [-151, 129] from 2^-27 in magnitude on: closer to zero the result is 1 (checked below).
        var positive = FloatScan.Run<Exp2Function>(Tiny, 127.99999f, 1, ascending: true, slice: ScanSlice.OfThisRun);
        var negative = FloatScan.Run<Exp2Function>(-Tiny, -151f, 1, ascending: false, slice: ScanSlice.OfThisRun);
        output.WriteLine($"Exp2, x > 0: {positive} ({ScanSlice.OfThisRun})");
        output.WriteLine($"Exp2, x < 0: {negative} ({ScanSlice.OfThisRun})");
        Check(positive, 0.88);
        Check(negative, 0.92);

        // A neighbour may be out of order by its last bit (83,331 pairs, all below zero): nothing may rely on monotony.
        Assert.Equal(0, positive.OrderViolations);
        Assert.InRange(negative.WorstOrderViolation, 0.0, 1.0);
    }

    [Fact]
    public void Log2_is_within_one_ulp_also_next_to_one_and_for_subnormals()
    {
        var around = FloatScan.Run<Log2Function>(0.25f, 4f, 1, ascending: true, slice: ScanSlice.OfThisRun);
        var all = FloatScan.Run<Log2Function>(float.Epsilon, 3e38f, 61, ascending: true);
        output.WriteLine($"Log2, 0.25 to 4: {around} ({ScanSlice.OfThisRun})");
        output.WriteLine($"Log2, all: {all}");
        Check(around, 1.0);
        Check(all, 1.0);
    }

    [Fact]
    public void Silu_is_far_more_exact_than_the_bf16_it_is_rounded_to()
    {
        var positive = FloatScan.Run<SiluFunction>(Tiny, 1000f, 61, ascending: true);
        var negative = FloatScan.Run<SiluFunction>(-Tiny, -80f, 61, ascending: false);
        output.WriteLine($"Silu, x > 0: {positive}");
        output.WriteLine($"Silu, x < 0: {negative}");
        Check(positive, 2.0);

        // The rounding of x * log2(e) grows with |x|; bf16 keeps 2^16 of these units.
        Check(negative, 64.0);
    }

    [Fact]
    public void Vectors_give_the_bits_of_the_scalar_for_any_bit_pattern()
    {
        // A dense stride through all 2^32 patterns: NaNs, infinities, subnormals, what overflows.
        foreach (float sign in (float[])[1f, -1f])
        {
            float first = BitConverter.UInt32BitsToSingle(sign > 0 ? 0u : 0x80000000u);
            float last = BitConverter.UInt32BitsToSingle(sign > 0 ? 0x7FFFFF00u : 0xFFFFFF00u);
            Assert.Null(FloatScan.Run<Exp2Function>(first, last, 509, true, false).FirstVectorDifference);
            Assert.Null(FloatScan.Run<Log2Function>(first, last, 509, true, false).FirstVectorDifference);
            Assert.Null(FloatScan.Run<SiluFunction>(first, last, 509, true, false).FirstVectorDifference);
        }
    }

    [Fact]
    public void Exp2_is_exact_at_integers_and_defined_at_the_ends()
    {
        for (int n = -149; n < 128; n++)
        {
            Assert.Equal(MathF.ScaleB(1f, n), Transcendentals.Exp2(n));
        }

        Assert.Equal(1f, Transcendentals.Exp2(-0f));
        Assert.Equal(1f, Transcendentals.Exp2(Tiny));
        Assert.Equal(1f, Transcendentals.Exp2(-Tiny));
        Assert.Equal(1f, Transcendentals.Exp2(float.Epsilon));
        Assert.Equal(float.PositiveInfinity, Transcendentals.Exp2(128f));
        Assert.Equal(float.PositiveInfinity, Transcendentals.Exp2(1e30f));
        Assert.Equal(float.PositiveInfinity, Transcendentals.Exp2(float.PositiveInfinity));
        Assert.Equal(float.Epsilon, Transcendentals.Exp2(MathF.BitIncrement(-150f)));
        foreach (float low in (float[])[-150f, MathF.BitDecrement(-150f), -151f, -1e30f, float.NegativeInfinity])
        {
            Assert.Equal(0u, BitConverter.SingleToUInt32Bits(Transcendentals.Exp2(low)));
        }

        Assert.True(float.IsNaN(Transcendentals.Exp2(float.NaN)));
    }

    [Fact]
    public void Log2_is_exact_at_powers_of_two_and_defined_at_the_ends()
    {
        for (int n = -149; n < 128; n++)
        {
            Assert.Equal(n, Transcendentals.Log2(MathF.ScaleB(1f, n)));
        }

        Assert.Equal(0u, BitConverter.SingleToUInt32Bits(Transcendentals.Log2(1f)));
        Assert.Equal(float.NegativeInfinity, Transcendentals.Log2(0f));
        Assert.Equal(float.NegativeInfinity, Transcendentals.Log2(-0f));
        Assert.Equal(float.PositiveInfinity, Transcendentals.Log2(float.PositiveInfinity));
        Assert.True(float.IsNaN(Transcendentals.Log2(-float.Epsilon)));
        Assert.True(float.IsNaN(Transcendentals.Log2(float.NegativeInfinity)));
        Assert.True(float.IsNaN(Transcendentals.Log2(float.NaN)));
    }

    [Fact]
    public void Silu_is_defined_at_the_ends()
    {
        uint negativeZero = 0x80000000;
        Assert.Equal(0u, BitConverter.SingleToUInt32Bits(Transcendentals.Silu(0f)));
        Assert.Equal(negativeZero, BitConverter.SingleToUInt32Bits(Transcendentals.Silu(-0f)));
        Assert.Equal(negativeZero, BitConverter.SingleToUInt32Bits(Transcendentals.Silu(-100f)));
        Assert.Equal(negativeZero, BitConverter.SingleToUInt32Bits(Transcendentals.Silu(-float.MaxValue)));
        Assert.Equal(float.MaxValue, Transcendentals.Silu(float.MaxValue));
    }

    [Fact]
    public void The_coefficients_are_those_of_the_text()
    {
        // The text of the contract gives bits, the source gives decimals.
        uint[] exp2 = [0x3F317218, 0x3E75FDEF, 0x3D6357BA, 0x3C1D96AC, 0x3AAF829D, 0x3920D380];
        uint[] log2 =
        [
            0x3FB8AA3B, 0x32A57060, 0xBF38AA3B, 0x3EF6384A, 0xBEB8AA2D, 0x3E93BE1B, 0xBE764383, 0x3E5248A1, 0xBE36F6DD,
            0x3E2DC520, 0xBE2DA2EC, 0x3DD25A58,
        ];
        Assert.Equal(exp2, Coefficients("E1", "E2", "E3", "E4", "E5", "E6"));
        Assert.Equal(log2, Coefficients("LHigh", "LLow", "L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"));
        Assert.Equal(0x3FB8AA3Bu, BitConverter.SingleToUInt32Bits(Transcendentals.Log2E));
        Assert.Equal(0x3F317218u, BitConverter.SingleToUInt32Bits(Transcendentals.Ln2));
    }

    private static uint[] Coefficients(params string[] names) =>
        [.. names.Select(name => BitConverter.SingleToUInt32Bits((float)typeof(Transcendentals)
            .GetField(name, System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!
            .GetRawConstantValue()!))];

    private static void Check(ScanResult result, double bound)
    {
        Assert.Null(result.FirstVectorDifference);
        Assert.InRange(result.WorstUlp, 0.0, bound);
    }

    private sealed class Exp2Function : IFloatFunction
    {
        public static float Scalar(float x) => Transcendentals.Exp2(x);

        public static Vector512<float> Vector(Vector512<float> x) => VectorTranscendentals.Exp2(x);

        public static double Reference(double x) => Transcendentals.Exp2(x);
    }

    private sealed class Log2Function : IFloatFunction
    {
        public static float Scalar(float x) => Transcendentals.Log2(x);

        public static Vector512<float> Vector(Vector512<float> x) => VectorTranscendentals.Log2(x);

        public static double Reference(double x) => Transcendentals.Log2(x);
    }

    private sealed class SiluFunction : IFloatFunction
    {
        public static float Scalar(float x) => Transcendentals.Silu(x);

        public static Vector512<float> Vector(Vector512<float> x) => VectorTranscendentals.Silu(x);

        public static double Reference(double x) => x / (1.0 + Transcendentals.Exp2(x * -1.4426950408889634));
    }
}
