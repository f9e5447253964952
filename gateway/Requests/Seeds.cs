using System.Security.Cryptography;
using Grid.Gateway.Json;

namespace Grid.Gateway.Requests;

/// <summary>Seeds of a request's sequences.</summary>
internal static class Seeds
{
    /// <summary>A request's seed: its own, or the server's; 0 where nothing is drawn with it. Otherwise it is drawn, and no other request
    /// has it.</summary>
    public static (ulong Seed, bool IsDrawn) Settle(JsonField? given, GatewayOptions options, float temperature) =>
        (given?.Seed() ?? options.RandomSeed ?? (temperature == 0 ? 0UL : null)) is { } seed ? (seed, false) : (Draw(), true);

    /// <summary>A seed for a request that brought none. It stays below 2^53, so that every client's numbers can hold
    /// it when it is returned.</summary>
    public static ulong Draw()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes) >> 11;
    }

    /// <summary>The seed of a prompt's answer number <paramref name="choice"/>.</summary>
    public static ulong ForChoice(ulong seed, int choice) => unchecked(seed + (ulong)choice);

    /// <summary>A seed as answers print it: the signed form of its 64 bits, which is accepted back.</summary>
    public static long Shown(ulong seed) => unchecked((long)seed);
}
