using System.Runtime.Intrinsics;

namespace Grid.Numerics.Tests;

/// <summary>An fp32 function in its two forms, with what it should be.</summary>
internal interface IFloatFunction
{
    static abstract float Scalar(float x);

    static abstract Vector512<float> Vector(Vector512<float> x);

    static abstract double Reference(double x);
}

/// <summary>What a scan saw.</summary>
internal sealed record ScanResult
{
    public long Count { get; set; }

    public double WorstUlp { get; set; }

    public float WorstAt { get; set; }

    /// <summary>Neighbouring arguments of the scan whose results are in the wrong order.</summary>
    public long OrderViolations { get; set; }

    /// <summary>The largest of these, in ulp of the result.</summary>
    public double WorstOrderViolation { get; set; }

    public string? FirstVectorDifference { get; set; }

    public override string ToString() =>
        $"{Count:N0} arguments, largest error {WorstUlp:F3} ulp at {WorstAt:R}, " +
        $"{OrderViolations:N0} order violations of at most {WorstOrderViolation:F0} ulp";

    public void Merge(ScanResult other)
    {
        Count += other.Count;
        OrderViolations += other.OrderViolations;
        WorstOrderViolation = Math.Max(WorstOrderViolation, other.WorstOrderViolation);
        FirstVectorDifference ??= other.FirstVectorDifference;
        if (other.WorstUlp > WorstUlp)
        {
            WorstUlp = other.WorstUlp;
            WorstAt = other.WorstAt;
        }
    }
}

/// <summary>
/// Walks the floats between two bit patterns (of one sign): error of the scalar form, equality of the vector form with it,
/// order of neighbours.
/// </summary>
internal static class FloatScan
{
    private const int Lanes = 16;
    private const int Parts = 64;

    /// <param name="first">First argument, the one with the smaller magnitude.</param>
    /// <param name="last">Last argument (a multiple of 16 steps further at most).</param>
    /// <param name="stride">Step in bit patterns.</param>
    /// <param name="ascending">Whether results should grow with the bit pattern.</param>
    /// <param name="measureError">False where the reference means nothing (special values).</param>
    /// <param name="slice">Which of the walk's parts are done; all of them without it.</param>
    public static ScanResult Run<T>(float first, float last, uint stride, bool ascending, bool measureError = true, ScanSlice slice = default)
        where T : IFloatFunction
    {
        uint from = BitConverter.SingleToUInt32Bits(first);
        uint to = BitConverter.SingleToUInt32Bits(last);
        long chunks = (((long)to - from) / stride / Lanes) + 1;
        var total = new ScanResult();
        Parallel.For(0, Parts, part =>
        {
            if (!slice.Has(part))
            {
                return;
            }

            var result = Scan<T>(
                from, stride, chunks * part / Parts, chunks * (part + 1) / Parts, ascending, measureError);
            lock (total)
            {
                total.Merge(result);
            }
        });
        return total;
    }

    private static ScanResult Scan<T>(
        uint from, uint stride, long firstChunk, long endChunk, bool ascending, bool measureError)
        where T : IFloatFunction
    {
        var result = new ScanResult();
        Span<float> x = stackalloc float[Lanes];
        Span<float> y = stackalloc float[Lanes];
        float previous = ascending ? float.NegativeInfinity : float.PositiveInfinity;
        for (long chunk = firstChunk; chunk < endChunk; chunk++)
        {
            for (int i = 0; i < Lanes; i++)
            {
                x[i] = BitConverter.UInt32BitsToSingle((uint)(from + (((chunk * Lanes) + i) * stride)));
                y[i] = T.Scalar(x[i]);
                if (ascending ? y[i] < previous : y[i] > previous)
                {
                    result.OrderViolations++;
                    double wrong = Math.Abs((double)y[i] - previous) * InverseUlp(y[i]);
                    result.WorstOrderViolation = Math.Max(result.WorstOrderViolation, wrong);
                }

                previous = y[i];
            }

            CheckVectors<T>(x, y, result);
            if (measureError)
            {
                MeasureError<T>(x, y, result);
            }
        }

        result.Count = (endChunk - firstChunk) * Lanes;
        return result;
    }

    private static void CheckVectors<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ScanResult result)
        where T : IFloatFunction
    {
        var expected = Vector512.Create(y).AsInt32();
        var vector = T.Vector(Vector512.Create(x));
        if (vector.AsInt32() != expected)
        {
            for (int i = 0; i < Lanes; i++)
            {
                if (!Same(vector[i], y[i]))
                {
                    result.FirstVectorDifference ??= $"x = {x[i]:R}: scalar {Hex(y[i])}, vector {Hex(vector[i])}";
                }
            }
        }
    }

    private static void MeasureError<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ScanResult result)
        where T : IFloatFunction
    {
        for (int i = 0; i < Lanes; i++)
        {
            double reference = T.Reference(x[i]);
            double error = Math.Abs(y[i] - reference) * InverseUlp(reference);
            if (!(error <= result.WorstUlp))
            {
                result.WorstUlp = double.IsNaN(error) ? double.PositiveInfinity : error;
                result.WorstAt = x[i];
            }
        }
    }

    /// <summary>Bits are equal; of a NaN only that it is one.</summary>
    private static bool Same(float a, float b) =>
        BitConverter.SingleToUInt32Bits(a) == BitConverter.SingleToUInt32Bits(b) || (float.IsNaN(a) && float.IsNaN(b));

    private static string Hex(float value) => $"{BitConverter.SingleToUInt32Bits(value):X8}";

    // 1 / (spacing of fp32 numbers around the value), at least 2^-149.
    private static double InverseUlp(double value)
    {
        long exponent = ((BitConverter.DoubleToInt64Bits(value) >> 52) & 0x7FF) - 1023;
        return BitConverter.Int64BitsToDouble((1023 + 23 - Math.Max(exponent, -126)) << 52);
    }
}
