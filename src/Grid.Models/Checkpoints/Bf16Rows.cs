using System.Numerics;
using System.Runtime.InteropServices;
using Grid.Numerics;

namespace Grid.Models.Checkpoints;

/// <summary>Stored weights as bf16: copied, or rounded once to nearest even.</summary>
internal static class Bf16Rows
{
    /// <summary>Converts little-endian elements; source.Length = destination.Length * element size.</summary>
    public static void Convert(StoredType type, ReadOnlySpan<byte> source, Span<ushort> destination)
    {
        switch (type)
        {
            case StoredType.BF16:
                MemoryMarshal.Cast<byte, ushort>(source).CopyTo(destination);
                break;
            case StoredType.F16:
                var halves = MemoryMarshal.Cast<byte, Half>(source);
                for (int i = 0; i < halves.Length; i++)
                {
                    destination[i] = Bf16.FromSingle((float)halves[i]); // Half to fp32 is exact
                }

                break;
            case StoredType.F32:
                var singles = MemoryMarshal.Cast<byte, float>(source);
                for (int i = 0; i < singles.Length; i++)
                {
                    destination[i] = Bf16.FromSingle(singles[i]);
                }

                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "not a stored type");
        }
    }

    /// <summary>Index of the first NaN or infinity; -1 when all values are finite.</summary>
    public static int IndexOfNonFinite(ReadOnlySpan<ushort> values)
    {
        int i = 0;
        var exponent = new Vector<ushort>(0x7F80);
        for (; i <= values.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            if (Vector.EqualsAny(new Vector<ushort>(values[i..]) & exponent, exponent))
            {
                break;
            }
        }

        for (; i < values.Length; i++)
        {
            if (!Bf16.IsFinite(values[i]))
            {
                return i;
            }
        }

        return -1;
    }
}
