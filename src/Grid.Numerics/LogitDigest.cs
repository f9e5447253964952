using System.Buffers.Binary;

namespace Grid.Numerics;

/// <summary>
/// 128 bits that stand for a whole row of raw logits (CONTRACT.md, section 8): every index and all 32 bits of each logit count, and the
/// order in which they are taken does not, for it is a sum of integers. No cryptography: whoever doubts a digest recomputes it.
/// </summary>
/// <param name="First">Lane 0.</param>
/// <param name="Second">Lane 1.</param>
public readonly record struct LogitDigest(ulong First, ulong Second)
{
    /// <summary>Columns of a tile: index = tile * so many + column.</summary>
    public const int TileTokens = 128;

    /// <summary>Bytes of <see cref="WriteTo"/>.</summary>
    public const int Bytes = 16;

    /// <summary>The first number of a tile's keys; columns' keys have those below.</summary>
    private const ulong FirstTileNumber = 2 * TileTokens;

    /// <summary>The odd factor of a column in a lane's sum.</summary>
    /// <param name="column">0 to 127.</param>
    /// <param name="lane">0 or 1.</param>
    public static ulong ColumnKey(int column, int lane) => Mix((2 * (ulong)column) + (ulong)lane) | 1;

    /// <summary>The odd factor of a tile in a lane's sum.</summary>
    /// <param name="tile">From 0.</param>
    /// <param name="lane">0 or 1.</param>
    public static ulong TileKey(int tile, int lane) => Mix(FirstTileNumber + (2 * (ulong)tile) + (ulong)lane) | 1;

    /// <summary>The digest of a row, plainly.</summary>
    /// <param name="logits">[vocabulary] fp32, before any adjustment.</param>
    public static LogitDigest Of(ReadOnlySpan<float> logits)
    {
        ulong first = 0;
        ulong second = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(logits[i]);
            (int tile, int column) = (i / TileTokens, i % TileTokens);
            first += TileKey(tile, 0) * ColumnKey(column, 0) * bits;
            second += TileKey(tile, 1) * ColumnKey(column, 1) * bits;
        }

        return Finish(first, second, logits.Length);
    }

    /// <summary>The digest of a row of which the lanes' sums are known.</summary>
    /// <param name="first">Sum of lane 0, modulo 2^64.</param>
    /// <param name="second">Sum of lane 1, modulo 2^64.</param>
    /// <param name="length">Logits of the row.</param>
    public static LogitDigest Finish(ulong first, ulong second, int length) =>
        new(Mix(first + (ulong)length), Mix(second + (ulong)length));

    /// <summary>The digest from its 16 bytes.</summary>
    public static LogitDigest Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));

    /// <summary>Writes its 16 bytes: both lanes, little-endian.</summary>
    public void WriteTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, First);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Second);
    }

    /// <summary>Its 16 bytes as 32 hexadecimal digits.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        WriteTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }

    /// <summary>Number k (from 0) of the SplitMix64 generator with seed 0 (Steele, Lea, Flood, "Fast splittable pseudorandom number
    /// generators", OOPSLA 2014): a bijection of 64-bit integers.</summary>
    private static ulong Mix(ulong k)
    {
        ulong z = (k + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
