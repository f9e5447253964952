namespace Grid.Numerics;

// Double precision, for tables made on the host (rotary embeddings). Speed does not matter here; Taylor coefficients are
// used because anyone can recompute them (the tests do).
public static partial class Transcendentals
{
    /// <summary>Largest magnitude that <see cref="Sin"/> and <see cref="Cos"/> take: 2^30.</summary>
    public const double LargestAngle = 1073741824.0;

    private const double RoundingShift64 = 6755399441055744.0; // 1.5 * 2^52
    private const long RoundingShiftBits64 = 0x4338000000000000;
    private const long SqrtHalfBits64 = 0x3FE6A09E667F3BCD;

    // ln(2)^k / k!, k = 1 … 13.
    private static ReadOnlySpan<double> Exp2Taylor =>
    [
        0.6931471805599453, 0.24022650695910072, 0.05550410866482158, 0.009618129107628477, 0.0013333558146428443,
        0.0001540353039338161, 1.5252733804059841e-05, 1.321548679014431e-06, 1.01780860092397e-07,
        7.054911620801123e-09, 4.4455382718708116e-10, 2.5678435993488206e-11, 1.3691488853904128e-12,
    ];

    // 2 / ln(2) as a sum of two doubles, and (2 / ln 2) / (2k + 1), k = 1 … 11.
    private const double TwoOverLn2High = 2.8853900817779268;
    private const double TwoOverLn2Low = 4.0710547481862066e-17;

    private static ReadOnlySpan<double> Log2Series =>
    [
        0.9617966939259756, 0.5770780163555853, 0.4121985831111324, 0.3205988979753252, 0.2623081892525388,
        0.22195308321368667, 0.19235933878519512, 0.16972882833987804, 0.15186263588304877, 0.1373995277037108,
        0.12545174268599682,
    ];

    // 2 / pi, and pi / 2 as a sum of three doubles (the first two by rounding, the last is the rounded rest).
    private const double TwoOverPi = 0.6366197723675814;
    private const double HalfPiHigh = 1.5707963267948966;
    private const double HalfPiMiddle = 6.123233995736766e-17;
    private const double HalfPiLow = -1.4973849048591698e-33;

    // -1/3!, 1/5!, … 1/17! and 1/4!, -1/6!, … -1/18!.
    private static ReadOnlySpan<double> SinTaylor =>
    [
        -0.16666666666666666, 0.008333333333333333, -0.0001984126984126984, 2.7557319223985893e-06,
        -2.505210838544172e-08, 1.6059043836821613e-10, -7.647163731819816e-13, 2.8114572543455206e-15,
    ];

    private static ReadOnlySpan<double> CosTaylor =>
    [
        0.041666666666666664, -0.001388888888888889, 2.48015873015873e-05, -2.755731922398589e-07,
        2.08767569878681e-09, -1.1470745597729725e-11, 4.779477332387385e-14, -1.5619206968586225e-16,
    ];

    /// <summary>2^x in double, within 1 ulp; exact at integers; +infinity from 1024 on, +0 below -1075.</summary>
    public static double Exp2(double x)
    {
        double c = x < -1076.0 ? -1076.0 : x;
        c = c > 1025.0 ? 1025.0 : c;

        double shifted = c + RoundingShift64;
        long n = BitConverter.DoubleToInt64Bits(shifted) - RoundingShiftBits64;
        double f = c - (shifted - RoundingShift64);

        double p = Math.FusedMultiplyAdd(Horner(Exp2Taylor, f), f, 1.0);
        long half = n >> 1;
        return p * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary>log2(x) in double, within 1 ulp, also next to 1; exact at powers of two. 0 gives -infinity, +infinity
    /// itself, a negative number or NaN gives NaN.</summary>
    public static double Log2(double x)
    {
        if (!(x > 0.0))
        {
            return x == 0.0 ? double.NegativeInfinity : double.NaN;
        }

        if (double.IsPositiveInfinity(x))
        {
            return x;
        }

        bool subnormal = x < 2.2250738585072014e-308;
        double y = subnormal ? x * 18014398509481984.0 : x; // 2^54
        long bias = subnormal ? -54 : 0;

        long bits = BitConverter.DoubleToInt64Bits(y);
        long exponent = (bits - SqrtHalfBits64) >> 52;
        double f = BitConverter.Int64BitsToDouble(bits - (exponent << 52)) - 1.0;
        double e = exponent + bias;

        // s = f / (2 + f) as a sum of two doubles; log2(1 + f) = (2 / ln 2) * (s + s^3/3 + s^5/5 + …).
        double d = 2.0 + f;
        double dLow = f - (d - 2.0);
        double s = f / d;
        double sLow = (Math.FusedMultiplyAdd(-s, d, f) - (s * dLow)) / d;
        double square = s * s;

        double high = TwoOverLn2High * s;
        double low = Math.FusedMultiplyAdd(TwoOverLn2High, s, -high);
        low = Math.FusedMultiplyAdd(TwoOverLn2High, sLow, low);
        low = Math.FusedMultiplyAdd(TwoOverLn2Low, s, low);
        low = Math.FusedMultiplyAdd(s * square, Horner(Log2Series, square), low);

        double sum = e + high;
        double lost = e - sum + high;
        return sum + (lost + low);
    }

    /// <summary>sin(x), x in radians, within 1 ulp for |x| up to <see cref="LargestAngle"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">x is not finite or larger than <see cref="LargestAngle"/>.</exception>
    public static double Sin(double x)
    {
        long quadrant = ReduceAngle(x, out double r, out double rLow);
        double value = (quadrant & 1) == 0 ? SinKernel(r, rLow) : CosKernel(r, rLow);
        return (quadrant & 2) == 0 ? value : -value;
    }

    /// <summary>cos(x), x in radians, within 1 ulp for |x| up to <see cref="LargestAngle"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">x is not finite or larger than <see cref="LargestAngle"/>.</exception>
    public static double Cos(double x)
    {
        long quadrant = ReduceAngle(x, out double r, out double rLow);
        double value = (quadrant & 1) == 0 ? CosKernel(r, rLow) : SinKernel(r, rLow);
        return ((quadrant + 1) & 2) == 0 ? value : -value;
    }

    /// <summary>x = quadrant * pi/2 + (r + rLow) with |r| at most about pi/4.</summary>
    private static long ReduceAngle(double x, out double r, out double rLow)
    {
        if (!(Math.Abs(x) <= LargestAngle))
        {
            throw new ArgumentOutOfRangeException(
                nameof(x), x, "The angle must be finite and at most 2^30 radians in magnitude.");
        }

        double shifted = (x * TwoOverPi) + RoundingShift64;
        double k = shifted - RoundingShift64;

        // Exact: x and k * HalfPiHigh are multiples of 2^-53 or finer where k = 0, and the difference is below 1.
        double t = Math.FusedMultiplyAdd(-k, HalfPiHigh, x);

        double middle = k * HalfPiMiddle;
        double middleLow = Math.FusedMultiplyAdd(k, HalfPiMiddle, -middle);
        double high = t - middle;
        double back = t - high;
        double lost = (t - (high + back)) + (back - middle);
        double low = Math.FusedMultiplyAdd(-k, HalfPiLow, lost - middleLow);

        r = high + low;
        rLow = high - r + low;
        return BitConverter.DoubleToInt64Bits(shifted) - RoundingShiftBits64;
    }

    private static double SinKernel(double r, double rLow)
    {
        double z = r * r;
        double tail = r * z * Horner(SinTaylor, z);
        double correction = rLow * Math.FusedMultiplyAdd(z, -0.5, 1.0);
        return r + (tail + correction);
    }

    private static double CosKernel(double r, double rLow)
    {
        double z = r * r;
        double zLow = Math.FusedMultiplyAdd(r, r, -z);
        double halfSquare = 0.5 * z;
        double head = 1.0 - halfSquare;
        double lost = 1.0 - head - halfSquare;
        double tail = z * z * Horner(CosTaylor, z);
        double correction = Math.FusedMultiplyAdd(-r, rLow, -0.5 * zLow);
        return head + (lost + (tail + correction));
    }

    /// <summary>coefficients[0] + x * (coefficients[1] + x * (…)), by FMA from the last.</summary>
    private static double Horner(ReadOnlySpan<double> coefficients, double x)
    {
        double p = coefficients[^1];
        for (int i = coefficients.Length - 2; i >= 0; i--)
        {
            p = Math.FusedMultiplyAdd(p, x, coefficients[i]);
        }

        return p;
    }

    private static double PowerOfTwo(long n) => BitConverter.Int64BitsToDouble((n + 1023) << 52);
}
