namespace Grid.Grains.Caching;

/// <summary>
/// Names of prefixes: a 64-bit hash of all tokens up to the end of a full KV page, chained page by page. Workers publish
/// those of the pages they have cached, gateways compute a prompt's; equal prefixes of one model have equal hashes on
/// every node. They steer routing alone: a worker looks its cache up by the tokens themselves.
/// </summary>
public static class PageChain
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>The chain of the empty prefix: of a model, and of a salt under which sequences share prefixes.</summary>
    public static ulong Start(string numericsId, string salt = "")
    {
        ArgumentNullException.ThrowIfNull(numericsId);
        ulong chain = 0x13198A2E03707344;
        foreach (char c in numericsId)
        {
            chain = Mix(chain, c);
        }

        foreach (char c in salt)
        {
            chain = Mix(chain, (1UL << 32) | c); // No NumericsId goes on like that.
        }

        return chain;
    }

    /// <summary>The chain after one more full page of token ids.</summary>
    public static ulong Next(ulong chain, ReadOnlySpan<int> page)
    {
        foreach (int token in page)
        {
            chain = Mix(chain, (uint)token);
        }

        return chain;
    }

    /// <summary>The chains after each full page of the tokens, the partial last page left out.</summary>
    public static ulong[] Of(string numericsId, ReadOnlySpan<int> tokens, int pageTokens, string salt = "")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageTokens, 1);
        ulong[] chains = new ulong[tokens.Length / pageTokens];
        ulong chain = Start(numericsId, salt);
        for (int i = 0; i < chains.Length; i++)
        {
            chains[i] = chain = Next(chain, tokens.Slice(i * pageTokens, pageTokens));
        }

        return chains;
    }

    private static ulong Mix(ulong chain, ulong value)
    {
        chain = (chain ^ value) * Multiplier;
        return chain ^ (chain >> 29);
    }
}
