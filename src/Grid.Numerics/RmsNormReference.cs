namespace Grid.Numerics;

/// <summary>RMSNorm, the reference every device must equal bit for bit.</summary>
public static class RmsNormReference
{
    /// <summary>1 / sqrt(sumOfSquares / n + epsilon): fp32 division, addition, square root, division.</summary>
    public static float InverseRms(float sumOfSquares, int n, float epsilon) =>
        1f / MathF.Sqrt((sumOfSquares / n) + epsilon);

    /// <summary>
    /// output[i] = bf16((x[i] * inverse) * weight[i]) with inverse = <see cref="InverseRms"/> of the row's
    /// <see cref="RowReduction.SumOfSquares"/>.
    /// </summary>
    /// <param name="row">[n] bf16 bits.</param>
    /// <param name="weight">[n] bf16 bits.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="output">[n] bf16 bits; may be the row itself.</param>
    public static void Normalize(
        ReadOnlySpan<ushort> row, ReadOnlySpan<ushort> weight, float epsilon, Span<ushort> output)
    {
        if (weight.Length != row.Length || output.Length != row.Length)
        {
            throw new ArgumentException(
                $"row ({row.Length}), weight ({weight.Length}) and output ({output.Length}) must have equal lengths.",
                nameof(weight));
        }

        float[] x = new float[row.Length];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = Bf16.ToSingle(row[i]);
        }

        float inverse = InverseRms(RowReduction.SumOfSquares(x), x.Length, epsilon);
        for (int i = 0; i < x.Length; i++)
        {
            output[i] = Bf16.FromSingle(x[i] * inverse * Bf16.ToSingle(weight[i]));
        }
    }
}
