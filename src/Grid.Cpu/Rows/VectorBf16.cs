using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Numerics;

namespace Grid.Cpu.Rows;

/// <summary>bf16 on vectors of 16: the same bits as <see cref="Bf16"/>.</summary>
internal static unsafe class VectorBf16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(ushort* source)
    {
        (var low, var high) = Vector256.Widen(Vector256.Load(source));
        return Vector512.Create(low << 16, high << 16).AsSingle();
    }

    /// <summary>Rounds to nearest even; NaN stays a quiet NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRounded(Vector512<float> value, ushort* target)
    {
        var u = value.AsUInt32();
        var rounded = (u + Vector512.Create(0x7FFFu) + ((u >> 16) & Vector512<uint>.One)) >> 16;
        var quiet = (u >> 16) | Vector512.Create(0x40u);
        var nan = Vector512.GreaterThan(u & Vector512.Create(0x7FFFFFFFu), Vector512.Create(0x7F800000u));
        var bits = Vector512.ConditionalSelect(nan, quiet, rounded);
        Vector256.Narrow(bits.GetLower(), bits.GetUpper()).Store(target);
    }

    /// <summary>
    /// Prepares a row for chains: values widened to fp32 and exponent fields in place, both padded with zeros to
    /// <paramref name="padded"/>. True when a value is too large for the vector forms.
    /// </summary>
    public static bool Prepare(ushort* row, int length, int padded, float* wide, ushort* exponents)
    {
        ushort largest = 0;
        int i = 0;
        var most = Vector256<ushort>.Zero;
        for (; i + 16 <= length; i += 16)
        {
            Widen(row + i).Store(wide + i);
            var fields = Vector256.Load(row + i) & Vector256.Create((ushort)0x7F80);
            fields.Store(exponents + i);
            most = Vector256.Max(most, fields);
        }

        for (int lane = 0; lane < 16; lane++)
        {
            largest = Math.Max(largest, most.GetElement(lane));
        }

        for (; i < length; i++)
        {
            wide[i] = Bf16.ToSingle(row[i]);
            exponents[i] = (ushort)(row[i] & 0x7F80);
            largest = Math.Max(largest, exponents[i]);
        }

        for (; i < padded; i++)
        {
            wide[i] = 0;
            exponents[i] = 0;
        }

        return largest >= ChainKernel.ExtremeExponentField << 7;
    }
}
