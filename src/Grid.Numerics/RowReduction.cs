namespace Grid.Numerics;

/// <summary>
/// Reductions of one row in the contract's fixed tree, a function of the row's length n alone. L lanes, the smallest power
/// of two with 8 * L &gt;= n, at most 256; lane i takes elements 8i … 8i+7 in ascending order, then goes on 8 * L further;
/// then lanes combine by halving: s[i] += s[i + h] for h = L/2, …, 1. Elements past n do not exist: nothing is added for
/// them.
/// </summary>
public static class RowReduction
{
    /// <summary>Consecutive elements a lane takes at once.</summary>
    public const int ElementsPerStep = 8;

    /// <summary>Lanes at most.</summary>
    public const int MaxLanes = 256;

    /// <summary>L of a row of n elements; 1 for an empty row.</summary>
    public static int Lanes(int n)
    {
        int lanes = 1;
        while (lanes < MaxLanes && lanes * ElementsPerStep < n)
        {
            lanes *= 2;
        }

        return lanes;
    }

    /// <summary>Sum of squares in fp32; a lane's step is s = fma(x, x, s), from +0.</summary>
    public static float SumOfSquares(ReadOnlySpan<float> row)
    {
        Span<float> partial = stackalloc float[MaxLanes];
        int lanes = Lanes(row.Length);
        int stride = lanes * ElementsPerStep;
        for (int lane = 0; lane < lanes; lane++)
        {
            float s = 0f;
            for (int start = lane * ElementsPerStep; start < row.Length; start += stride)
            {
                foreach (float x in row[start..Math.Min(start + ElementsPerStep, row.Length)])
                {
                    s = MathF.FusedMultiplyAdd(x, x, s);
                }
            }

            partial[lane] = s;
        }

        return Combine(partial[..lanes]);
    }

    /// <summary>Sum in fp32; a lane's step is s = s + x, from +0.</summary>
    public static float Sum(ReadOnlySpan<float> row)
    {
        Span<float> partial = stackalloc float[MaxLanes];
        int lanes = Lanes(row.Length);
        int stride = lanes * ElementsPerStep;
        for (int lane = 0; lane < lanes; lane++)
        {
            float s = 0f;
            for (int start = lane * ElementsPerStep; start < row.Length; start += stride)
            {
                foreach (float x in row[start..Math.Min(start + ElementsPerStep, row.Length)])
                {
                    s += x;
                }
            }

            partial[lane] = s;
        }

        return Combine(partial[..lanes]);
    }

    /// <summary>
    /// The largest element, in any order. Of +0 and -0 either may be given: users of the result must not tell them apart.
    /// </summary>
    /// <exception cref="ArgumentException">The row is empty.</exception>
    public static float Max(ReadOnlySpan<float> row)
    {
        if (row.IsEmpty)
        {
            throw new ArgumentException("The row must have at least one element.", nameof(row));
        }

        float max = row[0];
        foreach (float x in row)
        {
            max = x > max ? x : max;
        }

        return max;
    }

    /// <summary>Combines lane sums by halving, in place; the length is a power of two.</summary>
    public static float Combine(Span<float> lanes)
    {
        for (int half = lanes.Length / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                lanes[i] += lanes[i + half];
            }
        }

        return lanes[0];
    }
}
