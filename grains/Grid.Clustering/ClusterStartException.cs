namespace Grid.Clustering;

/// <summary>A node that cannot take its place in the cluster. The message is a sentence for the operator and holds no
/// secret; the store's own exception is left out, for it may.</summary>
public sealed class ClusterStartException(string message, bool isUsage = false) : Exception(message)
{
    /// <summary>Whether options contradict each other; otherwise the store or the network is at fault.</summary>
    public bool IsUsage { get; } = isUsage;
}
