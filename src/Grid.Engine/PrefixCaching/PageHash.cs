namespace Grid.Engine.PrefixCaching;

/// <summary>A hash of a page's token ids. It only finds candidates: the tokens decide.</summary>
internal static class PageHash
{
    public static ulong Of(ReadOnlySpan<int> tokens)
    {
        ulong hash = 0x243F6A8885A308D3;
        foreach (int token in tokens)
        {
            hash = (hash ^ (uint)token) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 29;
        }

        return hash;
    }
}
