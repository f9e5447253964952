namespace Grid.Numerics;

/// <summary>
/// 2^t rounded to bf16, bit for bit what <c>ex2.approx.ftz.f32</c> followed by rounding to bf16 gives on Hopper: the
/// attention weights. A step function of t's distance from its nearest integer, held as measured thresholds.
/// </summary>
public static class Exp2Bf16
{
    /// <summary>Entries per sign in <see cref="StepTable"/>.</summary>
    public const int TableLength = 256;

    /// <summary>
    /// [2 * 256] thresholds by code, first those for t at most 0, then those for t above 0: a guess g at the code that is
    /// right or one too low becomes right by adding one when r is at least StepTable[g]. -inf below the first code, +inf above the last.
    /// </summary>
    public static ReadOnlySpan<float> StepTable => Table;

    private static readonly float[] Table = BuildTable();

    /// <summary>The bf16 bits of 2^t: +0 below -126, +inf from 128, a quiet NaN for NaN.</summary>
    public static ushort Evaluate(float t)
    {
        if (float.IsNaN(t))
        {
            return 0x7FC0;
        }

        if (t < -126f)
        {
            return 0;
        }

        if (t >= 128f)
        {
            return 0x7F80;
        }

        float n = MathF.Round(t, MidpointRounding.ToEven);
        float r = t - n; // exact
        var thresholds = t > 0f ? Exp2Bf16Thresholds.Positive : Exp2Bf16Thresholds.Negative;
        int low = 0;
        int high = thresholds.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (r >= BitConverter.UInt32BitsToSingle(thresholds[middle]))
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return (ushort)(((int)n * 128) + 0x3F00 + Exp2Bf16Thresholds.FirstCode + low);
    }

    private static float[] BuildTable()
    {
        float[] table = new float[2 * TableLength];
        for (int sign = 0; sign < 2; sign++)
        {
            var thresholds = sign == 1 ? Exp2Bf16Thresholds.Positive : Exp2Bf16Thresholds.Negative;
            for (int code = 0; code < TableLength; code++)
            {
                int i = code - Exp2Bf16Thresholds.FirstCode;
                table[(sign * TableLength) + code] =
                    i < 0 ? float.NegativeInfinity
                    : i >= thresholds.Length ? float.PositiveInfinity
                    : BitConverter.UInt32BitsToSingle(thresholds[i]);
            }
        }

        return table;
    }
}
