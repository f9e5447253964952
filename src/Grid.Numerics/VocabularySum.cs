using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Grid.Numerics;

/// <summary>
/// Probabilities as unsigned fixed point, so that sums over the vocabulary are exact and have no order: any device may add
/// them in any tree. The most probable token weighs exactly <see cref="One"/>.
/// </summary>
public static class VocabularySum
{
    /// <summary>Fraction bits of a weight. A vocabulary of 2^18 tokens sums to at most 2^58.</summary>
    public const int FractionBits = 40;

    /// <summary>The weight of the most probable token, 2^40.</summary>
    public const ulong One = 1UL << FractionBits;

    private const int ShareBits = 24;
    private const float Scale = 1099511627776f; // 2^40
    private const double IntegerShift = 4503599627370496.0; // 2^52: adding it puts a smaller integer in the low bits

    /// <summary>floor(Exp2(exponent) * 2^40); the exponent is at most 0 and not NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Weight(float exponent) => (ulong)(Transcendentals.Exp2(exponent) * Scale);

    /// <summary><see cref="Weight(float)"/> of every element, in two halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<ulong> Lower, Vector512<ulong> Upper) Weight(Vector512<float> exponent)
    {
        (var lower, var upper) =
            Vector512.Widen(VectorTranscendentals.Exp2(exponent) * Vector512.Create(Scale));
        var shift = Vector512.Create(IntegerShift);
        return (
            (Vector512.Floor(lower) + shift).AsUInt64() ^ shift.AsUInt64(),
            (Vector512.Floor(upper) + shift).AsUInt64() ^ shift.AsUInt64());
    }

    /// <summary>p24: topP * 2^24, rounded to nearest even.</summary>
    public static uint TopPShare(float topP) => (uint)Math.Round((double)topP * (1 << ShareBits), MidpointRounding.ToEven);

    /// <summary>The share of a sum that top_p keeps, as an integer bound: a token is kept while the weight before it is
    /// below ceil(p24 * sum / 2^24).</summary>
    public static ulong TopPBound(float topP, ulong sum)
    {
        var product = (UInt128)TopPShare(topP) * sum;
        return (ulong)((product + ((1 << ShareBits) - 1)) >> ShareBits);
    }

    /// <summary>The least weight that min_p keeps: ceil(minP * 2^40), exact.</summary>
    public static ulong MinPBound(float minP) => (ulong)Math.Ceiling((double)minP * One);

    /// <summary>Where 64 random bits fall in [0, sum): the high 64 bits of their product.</summary>
    public static ulong Point(ulong random, ulong sum) => Math.BigMul(random, sum, out _);

    /// <summary>
    /// The natural logarithm of a sum as seen from its largest member: Log2(fp32(sum) * 2^-40) * Ln2. The conversion rounds
    /// once, to nearest even.
    /// </summary>
    public static float LogSum(ulong sum) => Transcendentals.Log2(ToSingle(sum) * (1f / Scale)) * Transcendentals.Ln2;

    /// <summary>A 64-bit integer as fp32, rounded once to nearest even. Not a cast: some platforms go through double, which
    /// rounds twice.</summary>
    public static float ToSingle(ulong value)
    {
        int shift = 40 - BitOperations.LeadingZeroCount(value);
        if (shift <= 0)
        {
            return (uint)value;
        }

        ulong kept = value >> shift;
        ulong rest = value - (kept << shift);
        ulong half = 1UL << (shift - 1);
        kept += rest > half || (rest == half && (kept & 1) == 1) ? 1UL : 0UL;
        return (uint)kept * BitConverter.Int32BitsToSingle((shift + 127) << 23);
    }
}
