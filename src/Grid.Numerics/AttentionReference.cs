namespace Grid.Numerics;

/// <summary>
/// Causal attention of one query row and one head, the reference every device must equal bit for bit. Keys are cut at
/// absolute positions into segments and blocks (<see cref="AttentionLayout"/>), so the result is a function of query,
/// keys, values and position, whatever computed or stored them.
/// </summary>
public static class AttentionReference
{
    /// <summary>c = scale * log2(e), the factor that turns scores into exponents of two; one fp32 product.</summary>
    public static float ExponentFactor(float scale) => scale * Transcendentals.Log2E;

    /// <summary>Computes the row at <paramref name="position"/>.</summary>
    /// <param name="query">[headDim] bf16.</param>
    /// <param name="keys">[position + 1][headDim] bf16.</param>
    /// <param name="values">[position + 1][headDim] bf16.</param>
    /// <param name="position">Absolute position of the query; keys 0 … position are seen.</param>
    /// <param name="scale">Score scale, usually 1/sqrt(headDim).</param>
    /// <param name="output">[headDim] bf16.</param>
    public static void Row(
        ReadOnlySpan<ushort> query, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values, int position, float scale,
        Span<ushort> output)
    {
        var weighted = query.Length <= 512 ? stackalloc float[query.Length] : new float[query.Length];
        float sum = Accumulate(query, keys, values, position, scale, weighted);
        for (int d = 0; d < weighted.Length; d++)
        {
            output[d] = Bf16.FromSingle(weighted[d] / sum);
        }
    }

    /// <summary>The row before its division: fills the weighted values O and returns the sum of weights L, both fp32.
    /// Parameters as of <see cref="Row"/>.</summary>
    public static float Accumulate(
        ReadOnlySpan<ushort> query, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values, int position, float scale,
        Span<float> weighted)
    {
        int headDim = query.Length;
        float c = ExponentFactor(scale);
        var merged = new Partial(headDim);
        for (int segment = 0; segment <= position; segment += AttentionLayout.SegmentTokens)
        {
            var partial = new Partial(headDim);
            int end = Math.Min(segment + AttentionLayout.SegmentTokens, position + 1);
            for (int block = segment; block < end; block += AttentionLayout.BlockTokens)
            {
                Block(query, keys, values, block, position, c, partial);
            }

            if (segment == 0)
            {
                merged = partial; // the first merge is the identity
            }
            else
            {
                Merge(merged, partial, c);
            }
        }

        merged.O.CopyTo(weighted);
        return merged.L;
    }

    private static void Block(
        ReadOnlySpan<ushort> query, ReadOnlySpan<ushort> keys, ReadOnlySpan<ushort> values, int block, int position,
        float c, Partial partial)
    {
        const int Tokens = AttentionLayout.BlockTokens;
        int headDim = query.Length;
        Span<float> scores = stackalloc float[Tokens];
        float m = partial.M;
        for (int i = 0; i < Tokens; i++)
        {
            int key = block + i;
            scores[i] = key <= position ? Dot16.Chain(query, keys.Slice(key * headDim, headDim)) : float.NegativeInfinity;
            m = scores[i] > m ? scores[i] : m;
        }

        float minusMc = -(m * c);
        Span<ushort> p = stackalloc ushort[Tokens];
        for (int i = 0; i < Tokens; i++)
        {
            p[i] = Exp2Bf16.Evaluate(MathF.FusedMultiplyAdd(scores[i], c, minusMc));
        }

        float rescale = Transcendentals.Exp2((partial.M - m) * c);
        Span<ushort> column = stackalloc ushort[Tokens];
        for (int d = 0; d < headDim; d++)
        {
            for (int i = 0; i < Tokens; i++)
            {
                column[i] = block + i <= position ? values[((block + i) * headDim) + d] : (ushort)0;
            }

            partial.O[d] = Continue(partial.O[d] * rescale, p, column);
        }

        column.Fill(Bf16.One); // the row sum is one more column of values, all ones
        partial.L = Continue(partial.L * rescale, p, column);
        partial.M = m;
    }

    private static float Continue(float acc, ReadOnlySpan<ushort> p, ReadOnlySpan<ushort> column)
    {
        for (int k = 0; k < p.Length; k += Dot16.Terms)
        {
            acc = Dot16.Step(acc, p.Slice(k, Dot16.Terms), column.Slice(k, Dot16.Terms));
        }

        return acc;
    }

    private static void Merge(Partial into, Partial segment, float c)
    {
        float m = segment.M > into.M ? segment.M : into.M;
        float a = Transcendentals.Exp2((into.M - m) * c);
        float b = Transcendentals.Exp2((segment.M - m) * c);
        for (int d = 0; d < into.O.Length; d++)
        {
            into.O[d] = MathF.FusedMultiplyAdd(segment.O[d], b, into.O[d] * a);
        }

        into.L = MathF.FusedMultiplyAdd(segment.L, b, into.L * a);
        into.M = m;
    }

    private sealed class Partial(int headDim)
    {
        public float M { get; set; } = float.NegativeInfinity;

        public float L { get; set; }

        public float[] O { get; } = new float[headDim];
    }
}
