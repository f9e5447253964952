namespace Grid.Models.Hub;

/// <summary>How far a download has come. Files join the totals as they become known: the shards only after their
/// index.</summary>
/// <param name="Files">Files in the cache, complete and checked.</param>
/// <param name="TotalFiles">Files needed.</param>
/// <param name="Bytes">Bytes of the needed files on this machine's disk.</param>
/// <param name="TotalBytes">Bytes of the needed files.</param>
/// <param name="PresentBytes">Of <paramref name="Bytes"/>, what was there before this download.</param>
public readonly record struct HubProgress(int Files, int TotalFiles, long Bytes, long TotalBytes, long PresentBytes);

/// <summary>Which of a model's files are wanted.</summary>
public enum HubSelection
{
    /// <summary>Configuration, weights, and the tokenizer if there is one.</summary>
    All,

    /// <summary>Configuration, and the tokenizer if there is one: enough for made-up weights.</summary>
    WithoutWeights,
}

/// <summary>A model in the cache.</summary>
/// <param name="Path">The snapshot folder, an ordinary model folder.</param>
/// <param name="Commit">The commit that the revision named, 40 hexadecimal digits.</param>
/// <param name="Progress">What was needed, and how much of it was there already.</param>
public sealed record HubSnapshot(string Path, string Commit, HubProgress Progress);
