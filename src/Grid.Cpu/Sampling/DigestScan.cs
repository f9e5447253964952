using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Grid.Numerics;

namespace Grid.Cpu.Sampling;

/// <summary>
/// The digest of a row of logits, with the bits of <see cref="LogitDigest.Of"/>: a sum over the columns of each tile, times the tile's
/// key. Where the CPU multiplies 32 by 32 bits in vectors, keys are taken in halves: <c>key * x = low * x + (high * x &lt;&lt; 32)</c>.
/// </summary>
internal static class DigestScan
{
    private const int Lanes = 2;
    private const int Tile = LogitDigest.TileTokens;
    private const int Vector = 8; // logits of 256 bits

    /// <summary>[lane, column]</summary>
    private static readonly ulong[] s_columns =
        [.. from lane in Enumerable.Range(0, Lanes) from column in Enumerable.Range(0, Tile) select LogitDigest.ColumnKey(column, lane)];

    /// <summary>[lane, vector, key half (low, high), column parity, 4]: what the vectors' products need, in their order.</summary>
    private static readonly ulong[] s_halves = Halves();

    // [lane, tile]; longer when a longer row comes.
    private static ulong[] s_tiles = Tiles(1 << 11);

    /// <summary>The digest of a row.</summary>
    public static LogitDigest Digest(ReadOnlySpan<float> logits)
    {
        var bits = MemoryMarshal.Cast<float, uint>(logits);
        int tiles = (logits.Length + Tile - 1) / Tile;
        ulong[] keys = TileKeys(tiles);
        int stride = keys.Length / Lanes;
        ulong first = 0;
        ulong second = 0;
        for (int tile = 0; tile < tiles; tile++)
        {
            var columns = bits.Slice(tile * Tile, Math.Min(Tile, bits.Length - (tile * Tile)));
            (ulong one, ulong other) = Avx2.IsSupported && columns.Length == Tile ? SumByVectors(columns) : Sum(columns);
            first += keys[tile] * one;
            second += keys[stride + tile] * other;
        }

        return LogitDigest.Finish(first, second, logits.Length);
    }

    /// <summary>Both lanes' sums over the columns of one tile, or of its first ones.</summary>
    internal static (ulong First, ulong Second) Sum(ReadOnlySpan<uint> columns)
    {
        ulong first = 0;
        ulong second = 0;
        for (int i = 0; i < columns.Length; i++)
        {
            first += s_columns[i] * columns[i];
            second += s_columns[Tile + i] * columns[i];
        }

        return (first, second);
    }

    private static (ulong First, ulong Second) SumByVectors(ReadOnlySpan<uint> columns)
    {
        ref uint bits = ref MemoryMarshal.GetReference(columns);
        ref ulong halves = ref MemoryMarshal.GetArrayDataReference(s_halves);
        var low0 = Vector256<ulong>.Zero;
        var high0 = Vector256<ulong>.Zero;
        var low1 = Vector256<ulong>.Zero;
        var high1 = Vector256<ulong>.Zero;
        for (int i = 0; i < Tile / Vector; i++)
        {
            var even = Vector256.LoadUnsafe(ref bits, (nuint)(i * Vector)).AsUInt64();
            var odd = even >> 32;
            ref ulong lane0 = ref Unsafe.Add(ref halves, i * 2 * Vector);
            ref ulong lane1 = ref Unsafe.Add(ref lane0, Tile * 2);
            low0 += Product(even, ref lane0, 0) + Product(odd, ref lane0, 1);
            high0 += Product(even, ref lane0, 2) + Product(odd, ref lane0, 3);
            low1 += Product(even, ref lane1, 0) + Product(odd, ref lane1, 1);
            high1 += Product(even, ref lane1, 2) + Product(odd, ref lane1, 3);
        }

        return (Vector256.Sum(low0) + (Vector256.Sum(high0) << 32), Vector256.Sum(low1) + (Vector256.Sum(high1) << 32));
    }

    // The low 32 bits of each 64 times those of the keys.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Product(Vector256<ulong> bits, ref ulong keys, int place) =>
        Avx2.Multiply(bits.AsUInt32(), Vector256.LoadUnsafe(ref keys, (nuint)(place * Vector / 2)).AsUInt32());

    private static ulong[] Halves()
    {
        ulong[] halves = new ulong[Lanes * Tile * 2];
        int place = 0;
        for (int lane = 0; lane < Lanes; lane++)
        {
            for (int first = 0; first < Tile; first += Vector)
            {
                for (int part = 0; part < 4; part++)
                {
                    for (int i = 0; i < Vector / 2; i++)
                    {
                        ulong key = LogitDigest.ColumnKey(first + (2 * i) + (part & 1), lane);
                        halves[place++] = part < 2 ? (uint)key : key >> 32;
                    }
                }
            }
        }

        return halves;
    }

    private static ulong[] TileKeys(int tiles)
    {
        ulong[] keys = Volatile.Read(ref s_tiles);
        if (keys.Length / Lanes < tiles)
        {
            Volatile.Write(ref s_tiles, keys = Tiles(tiles));
        }

        return keys;
    }

    private static ulong[] Tiles(int tiles) =>
        [.. from lane in Enumerable.Range(0, Lanes) from tile in Enumerable.Range(0, tiles) select LogitDigest.TileKey(tile, lane)];
}
