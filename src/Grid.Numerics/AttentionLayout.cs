namespace Grid.Numerics;

/// <summary>
/// Where attention cuts the key axis. Both cuts are at absolute positions, so a row's arithmetic depends on its
/// position alone. Both are frozen; MEASURED.md says why.
/// </summary>
public static class AttentionLayout
{
    /// <summary>Keys in one softmax block, and tokens in one KV-cache page.</summary>
    public const int BlockTokens = 64;

    /// <summary>Keys in one segment; segments are merged in ascending order.</summary>
    public const int SegmentTokens = 1024;
}
