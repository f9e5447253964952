using System.Numerics;

namespace Grid.Numerics.Tests;

/// <summary>
/// High-precision reference for the elementary functions: integers in units of 2^-320, plain series, no floating point.
/// </summary>
internal static class FixedPoint
{
    public const int FractionBits = 320;

    public static readonly BigInteger One = BigInteger.One << FractionBits;
    public static readonly BigInteger Ln2 = 2 * InverseSeries(3, alternating: false);
    public static readonly BigInteger Pi = (16 * InverseSeries(5, alternating: true)) - (4 * InverseSeries(239, alternating: true));

    /// <summary>The double's exact value; it must be a multiple of 2^-320.</summary>
    public static BigInteger FromDouble(double value)
    {
        long bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        int exponent = (int)(bits >> 52);
        long fraction = bits & 0xFFFFFFFFFFFFF;
        BigInteger significand = exponent == 0 ? fraction : fraction | (1L << 52);
        int shift = Math.Max(exponent, 1) - 1075 + FractionBits;
        var magnitude = shift >= 0 ? significand << shift : significand >> -shift;
        if (shift < 0 && magnitude << -shift != significand)
        {
            throw new ArgumentOutOfRangeException(nameof(value), value, "Not a multiple of 2^-320.");
        }

        return value < 0 ? -magnitude : magnitude;
    }

    public static double ToDouble(BigInteger value) => Math.ScaleB((double)value, -FractionBits);

    /// <summary>To the nearest double (normal ones only).</summary>
    public static double Round(BigInteger value)
    {
        var magnitude = BigInteger.Abs(value);
        int shift = (int)magnitude.GetBitLength() - 53;
        double rounded = Math.ScaleB((double)((magnitude + (BigInteger.One << (shift - 1))) >> shift), shift - FractionBits);
        return value.Sign < 0 ? -rounded : rounded;
    }

    public static BigInteger Multiply(BigInteger a, BigInteger b) => (a * b) >> FractionBits;

    /// <summary>2^x as (value in [1, 2), exponent).</summary>
    public static (BigInteger Value, int Exponent) Exp2(double x)
    {
        int exponent = (int)Math.Floor(x);
        var y = Multiply(FromDouble(x) - ((BigInteger)exponent << FractionBits), Ln2);
        var sum = One;
        var term = One;
        for (int k = 1; !term.IsZero; k++)
        {
            term = Multiply(term, y) / k;
            sum += term;
        }

        return (sum, exponent);
    }

    /// <summary>log2 of a normal positive double.</summary>
    public static BigInteger Log2(double x)
    {
        int exponent = Math.ILogB(x);
        var m = FromDouble(Math.ScaleB(x, -exponent));
        var s = ((m - One) << FractionBits) / (m + One);
        var square = Multiply(s, s);
        var power = s;
        BigInteger sum = 0;
        for (int k = 1; !power.IsZero; k += 2)
        {
            sum += power / k;
            power = Multiply(power, square);
        }

        return ((BigInteger)exponent << FractionBits) + (((2 * sum) << FractionBits) / Ln2);
    }

    public static BigInteger Sin(double x) => SinOf(FromDouble(x));

    public static BigInteger Cos(double x) => SinOf(FromDouble(x) + (Pi / 2));

    private static BigInteger SinOf(BigInteger angle)
    {
        var turn = 2 * Pi;
        var r = BigInteger.Remainder(angle, turn);
        var square = Multiply(r, r);
        var term = r;
        BigInteger sum = 0;
        for (int k = 2; BigInteger.Abs(term) > 1; k += 2)
        {
            sum += term;
            term = -(Multiply(term, square) / (k * (k + 1)));
        }

        return sum;
    }

    // atan(1/n) (alternating) or atanh(1/n).
    private static BigInteger InverseSeries(int n, bool alternating)
    {
        var power = (BigInteger.One << FractionBits) / n;
        BigInteger sum = 0;
        for (int k = 1; !power.IsZero; k += 2)
        {
            sum += alternating && k % 4 == 3 ? -(power / k) : power / k;
            power /= n * n;
        }

        return sum;
    }
}
