using System.Numerics;
using System.Reflection;

namespace Grid.Numerics.Tests;

public sealed class TranscendentalsDoubleTests(ITestOutputHelper output)
{
    private const BindingFlags Hidden = BindingFlags.NonPublic | BindingFlags.Static;
    private const int Samples = 20_000;
    private const double UlpOfOne = 2.220446049250313e-16;

    private delegate ReadOnlySpan<double> Table();

    [Fact]
    public void The_reference_knows_pi_and_ln2()
    {
        Assert.Equal(Math.PI, FixedPoint.ToDouble(FixedPoint.Pi));
        Assert.Equal(0.6931471805599453, FixedPoint.ToDouble(FixedPoint.Ln2));
        Assert.Equal(0.5, FixedPoint.ToDouble(FixedPoint.Sin(Math.PI / 6)), 15);
    }

    [Fact]
    public void The_coefficients_are_the_correctly_rounded_ones()
    {
        var power = FixedPoint.One;
        BigInteger factorial = 1;
        double[] exp2 = [.. Enumerable.Range(1, 13).Select(k =>
        {
            power = FixedPoint.Multiply(power, FixedPoint.Ln2);
            factorial *= k;
            return FixedPoint.Round(power / factorial);
        })];
        var twoOverLn2 = ((2 * FixedPoint.One) << FixedPoint.FractionBits) / FixedPoint.Ln2;
        double[] log2 = [.. Enumerable.Range(1, 11).Select(k => FixedPoint.Round(twoOverLn2 / ((2 * k) + 1)))];
        Assert.Equal(exp2, Coefficients("Exp2Taylor"));
        Assert.Equal(log2, Coefficients("Log2Series"));
        Assert.Equal(Factorials(3, -1), Coefficients("SinTaylor"));
        Assert.Equal(Factorials(4, 1), Coefficients("CosTaylor"));
        AssertParts(twoOverLn2, "TwoOverLn2High", "TwoOverLn2Low");
        AssertParts(FixedPoint.Pi / 2, "HalfPiHigh", "HalfPiMiddle", "HalfPiLow");
    }

    [Fact]
    public void Exp2_is_within_one_ulp()
    {
        var random = new Random(1);
        double worst = 0;
        for (int i = 0; i < Samples; i++)
        {
            double scale = i % 4 == 0 ? 1000 : i % 4 == 1 ? 1 : i % 4 == 2 ? 30 : 1e-9;
            double x = ((random.NextDouble() * 2) - 1) * scale;
            (var value, int exponent) = FixedPoint.Exp2(x);
            double computed = Math.ScaleB(Transcendentals.Exp2(x), -exponent);
            double error = FixedPoint.ToDouble(FixedPoint.FromDouble(computed) - value);
            worst = Math.Max(worst, Math.Abs(error) / UlpOfOne);
        }

        output.WriteLine($"double Exp2: largest error {worst:F3} ulp over {Samples} arguments");
        Assert.InRange(worst, 0.0, 1.0);
    }

    [Fact]
    public void Exp2_is_exact_at_integers_and_defined_at_the_ends()
    {
        for (int n = -1074; n < 1024; n++)
        {
            Assert.Equal(Math.ScaleB(1.0, n), Transcendentals.Exp2((double)n));
        }

        Assert.Equal(double.PositiveInfinity, Transcendentals.Exp2(1024.0));
        Assert.Equal(double.PositiveInfinity, Transcendentals.Exp2(double.PositiveInfinity));
        Assert.Equal(0.0, Transcendentals.Exp2(-1075.5));
        Assert.Equal(0.0, Transcendentals.Exp2(double.NegativeInfinity));
        Assert.True(double.IsNaN(Transcendentals.Exp2(double.NaN)));
    }

    [Fact]
    public void Log2_is_within_one_ulp_also_next_to_one()
    {
        var random = new Random(2);
        double worst = 0;
        for (int i = 0; i < Samples; i++)
        {
            double x = (i % 3) switch
            {
                0 => Math.ScaleB(1 + random.NextDouble(), random.Next(-250, 1000)),
                1 => 1 + (((random.NextDouble() * 2) - 1) * Math.ScaleB(1, -random.Next(2, 50))),
                _ => 0.5 + (random.NextDouble() * 1.5),
            };
            if (x == 1.0)
            {
                continue;
            }

            worst = Math.Max(worst, UlpError(Transcendentals.Log2(x), FixedPoint.Log2(x)));
        }

        output.WriteLine($"double Log2: largest error {worst:F3} ulp over {Samples} arguments");
        Assert.InRange(worst, 0.0, 1.0);
    }

    [Fact]
    public void Log2_is_exact_at_powers_of_two_and_defined_at_the_ends()
    {
        for (int n = -1074; n < 1024; n++)
        {
            Assert.Equal(n, Transcendentals.Log2(Math.ScaleB(1.0, n)));
        }

        Assert.Equal(double.NegativeInfinity, Transcendentals.Log2(0.0));
        Assert.Equal(double.PositiveInfinity, Transcendentals.Log2(double.PositiveInfinity));
        Assert.True(double.IsNaN(Transcendentals.Log2(-1.0)));
        Assert.True(double.IsNaN(Transcendentals.Log2(double.NaN)));
    }

    [Fact]
    public void Sin_and_cos_are_within_one_ulp_up_to_two_to_the_thirtieth()
    {
        double worstSin = 0;
        double worstCos = 0;
        foreach (double x in Angles())
        {
            worstSin = Math.Max(worstSin, UlpError(Transcendentals.Sin(x), FixedPoint.Sin(x)));
            worstCos = Math.Max(worstCos, UlpError(Transcendentals.Cos(x), FixedPoint.Cos(x)));
        }

        output.WriteLine($"double Sin: largest error {worstSin:F3} ulp, Cos: {worstCos:F3} ulp");
        Assert.InRange(worstSin, 0.0, 1.0);
        Assert.InRange(worstCos, 0.0, 1.0);
    }

    [Fact]
    public void Angles_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Transcendentals.Sin(1.1e9));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transcendentals.Cos(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transcendentals.Cos(double.NegativeInfinity));
        Assert.Equal(0.0, Transcendentals.Sin(0.0));
        Assert.Equal(1.0, Transcendentals.Cos(0.0));
    }

    // Random angles of every size, every integer a position can be, and doubles next to multiples of pi/2.
    private static IEnumerable<double> Angles()
    {
        var random = new Random(3);
        for (int i = 0; i < Samples; i++)
        {
            yield return ((random.NextDouble() * 2) - 1) * Math.ScaleB(1, random.Next(-30, 31));
        }

        for (int i = 1; i < 2000; i++)
        {
            yield return i;
            double multiple = i * (i % 3 == 0 ? 1.0 : 331.0) * (Math.PI / 2);
            yield return multiple;
            yield return Math.BitDecrement(multiple);
            yield return Math.BitIncrement(multiple);
        }

        yield return Transcendentals.LargestAngle;
    }

    // sign / first!, -sign / (first + 2)!, … eight of them.
    private static double[] Factorials(int first, int sign) =>
        [.. Enumerable.Range(0, 8).Select(i =>
        {
            BigInteger factorial = 1;
            for (int k = 2; k <= first + (2 * i); k++)
            {
                factorial *= k;
            }

            return (i % 2 == 0 ? sign : -sign) * FixedPoint.Round(FixedPoint.One / factorial);
        })];

    // Each part is the rounded rest that the parts before it leave.
    private static void AssertParts(BigInteger value, params string[] names)
    {
        foreach (string name in names)
        {
            double part = FixedPoint.Round(value);
            Assert.Equal(part, (double)typeof(Transcendentals).GetField(name, Hidden)!.GetRawConstantValue()!);
            value -= FixedPoint.FromDouble(part);
        }
    }

    private static double[] Coefficients(string name) =>
        typeof(Transcendentals).GetProperty(name, Hidden)!.GetMethod!.CreateDelegate<Table>()().ToArray();

    private static double UlpError(double computed, BigInteger expected)
    {
        double difference = Math.Abs(FixedPoint.ToDouble(FixedPoint.FromDouble(computed) - expected));
        double magnitude = Math.Abs(FixedPoint.ToDouble(expected));
        return difference / Math.ScaleB(1, Math.ILogB(magnitude) - 52);
    }
}
