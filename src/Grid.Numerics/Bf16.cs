using System.Runtime.CompilerServices;

namespace Grid.Numerics;

/// <summary>
/// bfloat16 as its 16 bits in a <see cref="ushort"/>: 1 sign, 8 exponent, 7 fraction bits; the upper half of an fp32.
/// </summary>
public static class Bf16
{
    /// <summary>The bits of 1.0.</summary>
    public const ushort One = 0x3F80;

    /// <summary>Widens to fp32. Exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds an fp32 to bf16, to nearest with ties to even. NaN stays a (quiet) NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromSingle(float value)
    {
        uint u = BitConverter.SingleToUInt32Bits(value);
        if ((u & 0x7FFFFFFF) > 0x7F800000)
        {
            return (ushort)((u >> 16) | 0x40);
        }

        return (ushort)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
    }

    /// <summary>True when the value is neither an infinity nor a NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsFinite(ushort bits) => (bits & 0x7F80) != 0x7F80;
}
