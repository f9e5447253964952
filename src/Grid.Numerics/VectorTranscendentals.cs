using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Grid.Numerics;

/// <summary>
/// The fp32 functions of <see cref="Transcendentals"/> on vectors: the same operations in the same order, so the same bits
/// (of NaN only that it is NaN). Without hardware support the runtime emulates each operation, with the same bits still.
/// </summary>
public static class VectorTranscendentals
{
    /// <summary><see cref="Transcendentals.Exp2(float)"/> of every element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp2(Vector512<float> x)
    {
        var lowest = Vector512.Create(Transcendentals.Exp2Lowest);
        var highest = Vector512.Create(Transcendentals.Exp2Highest);
        var shift = Vector512.Create(Transcendentals.RoundingShift);

        // Selections, not Min and Max: those differ between instruction sets when an operand is NaN.
        var c = Vector512.ConditionalSelect(Vector512.LessThan(x, lowest), lowest, x);
        c = Vector512.ConditionalSelect(Vector512.GreaterThan(c, highest), highest, c);

        var shifted = c + shift;
        var n = shifted.AsInt32() - Vector512.Create(Transcendentals.RoundingShiftBits);
        var f = c - (shifted - shift);

        var p = Vector512.Create(Transcendentals.E6);
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Transcendentals.E5));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Transcendentals.E4));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Transcendentals.E3));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Transcendentals.E2));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(Transcendentals.E1));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512<float>.One);

        var half = n >> 1;
        return p * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary><see cref="Transcendentals.Log2(float)"/> of every element.</summary>
    public static Vector512<float> Log2(Vector512<float> x)
    {
        var subnormal = Vector512.LessThan(x, Vector512.Create(Transcendentals.SmallestNormal));
        var y = Vector512.ConditionalSelect(subnormal, x * Vector512.Create(Transcendentals.SubnormalScale), x);
        var bias = subnormal & Vector512.Create(Transcendentals.SubnormalExponent);

        var bits = y.AsInt32();
        var e = (bits - Vector512.Create(Transcendentals.SqrtHalfBits)) >> 23;
        var f = (bits - (e << 23)).AsSingle() - Vector512<float>.One;

        var q = Vector512.Create(Transcendentals.L9);
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L8));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L7));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L6));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L5));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L4));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L3));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L2));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L1));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.L0));
        q = Vector512.FusedMultiplyAdd(q, f, Vector512.Create(Transcendentals.LLow));
        var log = Vector512.FusedMultiplyAdd(f, Vector512.Create(Transcendentals.LHigh), f * q);
        var result = Vector512.ConvertToSingle(e) + bias + log;

        // Zero, infinity and what has no logarithm: the arithmetic above gave no meaning to these.
        var zero = Vector512<float>.Zero;
        var infinity = Vector512.Create(float.PositiveInfinity);
        result = Vector512.ConditionalSelect(Vector512.GreaterThan(x, zero), result, Vector512.Create(float.NaN));
        result = Vector512.ConditionalSelect(Vector512.Equals(x, zero), -infinity, result);
        return Vector512.ConditionalSelect(Vector512.Equals(x, infinity), infinity, result);
    }

    /// <summary><see cref="Transcendentals.Silu"/> of every element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Silu(Vector512<float> x) =>
        x / (Vector512<float>.One + Exp2(x * Vector512.Create(-Transcendentals.Log2E)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> PowerOfTwo(Vector512<int> n) => ((n + Vector512.Create(127)) << 23).AsSingle();
}
