using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Grid.Numerics;

namespace Grid.Cpu.Attention;

/// <summary><see cref="Exp2Bf16"/> on 16 values: a coarse polynomial finds the code to within one, the measured threshold
/// decides.</summary>
internal static unsafe class VectorExp2Bf16
{
    private static readonly float* Table = CopyTable();

    /// <summary>bf16 bits of 2^t in the lower half of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Evaluate(Vector512<float> t)
    {
        // Outside [-126, 128) the work below is done on a harmless value and replaced at the end.
        var inside = Vector512.ConditionalSelect(
            Vector512.GreaterThanOrEqual(t, Vector512.Create(-126f)) & Vector512.LessThan(t, Vector512.Create(128f)), t, Vector512<float>.Zero);
        var shift = Vector512.Create(12582912f); // 1.5 * 2^23: adding it rounds to the nearest integer
        var n = (inside + shift) - shift;
        var r = inside - n;

        // 2^r within 2e-4; half a code is 2e-3.
        var y = Vector512.Create(0.0555f);
        y = Vector512.FusedMultiplyAdd(y, r, Vector512.Create(0.2402f));
        y = Vector512.FusedMultiplyAdd(y, r, Vector512.Create(0.6931f));
        y = Vector512.FusedMultiplyAdd(y, r, Vector512<float>.One);
        var guess = (y.AsInt32() >> 16) - Vector512.Create(0x3F00);
        var index = guess + (Vector512.GreaterThan(inside, Vector512<float>.Zero).AsInt32() & Vector512.Create(Exp2Bf16.TableLength));
        var above = Vector512.GreaterThanOrEqual(r, Gather(index)).AsInt32(); // -1 where the next code is right
        var bits = (Vector512.ConvertToInt32(n) << 7) + Vector512.Create(0x3F00) + guess - above;

        bits = Vector512.ConditionalSelect(Vector512.LessThan(t, Vector512.Create(-126f)).AsInt32(), Vector512<int>.Zero, bits);
        bits = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(t, Vector512.Create(128f)).AsInt32(), Vector512.Create(0x7F80), bits);
        bits = Vector512.ConditionalSelect(Vector512.Equals(t, t).AsInt32(), bits, Vector512.Create(0x7FC0));
        return bits.AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Gather(Vector512<int> index)
    {
        if (Avx2.IsSupported)
        {
            return Vector512.Create(
                Avx2.GatherVector256(Table, index.GetLower(), 4), Avx2.GatherVector256(Table, index.GetUpper(), 4));
        }

        var result = Vector512<float>.Zero;
        for (int lane = 0; lane < 16; lane++)
        {
            result = result.WithElement(lane, Table[index.GetElement(lane)]);
        }

        return result;
    }

    private static float* CopyTable()
    {
        float* buffer = (float*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)Exp2Bf16.StepTable.Length * 4, 64);
        Exp2Bf16.StepTable.CopyTo(new Span<float>(buffer, Exp2Bf16.StepTable.Length));
        return buffer; // lives as long as the process
    }
}
