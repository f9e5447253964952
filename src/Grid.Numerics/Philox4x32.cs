namespace Grid.Numerics;

/// <summary>
/// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
/// 1, 2, 3" (SC 2011). No state: the same key and counter always give the same four words.
/// </summary>
public static class Philox4x32
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint KeyStep0 = 0x9E3779B9;
    private const uint KeyStep1 = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>The stream (third counter word) of token draws.</summary>
    public const uint TokenDrawStream = 0;

    /// <summary>The four words of one counter.</summary>
    public static Philox4x32Block Generate(uint key0, uint key1, uint c0, uint c1, uint c2, uint c3)
    {
        for (int round = 0; round < Rounds; round++)
        {
            ulong product0 = (ulong)Multiplier0 * c0;
            ulong product1 = (ulong)Multiplier1 * c2;
            c0 = (uint)(product1 >> 32) ^ c1 ^ key0;
            c1 = (uint)product1;
            c2 = (uint)(product0 >> 32) ^ c3 ^ key1;
            c3 = (uint)product0;
            key0 += KeyStep0;
            key1 += KeyStep1;
        }

        return new Philox4x32Block(c0, c1, c2, c3);
    }

    /// <summary>
    /// The 64 random bits of a sequence at a position: key = (seed low, seed high), counter = (position low, position
    /// high, stream, 0), value = second word * 2^32 + first word.
    /// </summary>
    public static ulong Draw(ulong seed, long position, uint stream)
    {
        var block = Generate(
            (uint)seed, (uint)(seed >> 32), (uint)position, (uint)((ulong)position >> 32), stream, 0);
        return ((ulong)block.Word1 << 32) | block.Word0;
    }
}

/// <summary>What one counter gives.</summary>
public readonly record struct Philox4x32Block(uint Word0, uint Word1, uint Word2, uint Word3);
