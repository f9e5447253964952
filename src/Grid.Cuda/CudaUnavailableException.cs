namespace Grid.Cuda;

/// <summary>No CUDA device can be used here, and exactly why, in one sentence: no driver, an old driver, no such GPU, a GPU
/// that Grid's kernels are not for, no compiler.</summary>
public sealed class CudaUnavailableException(string reason, Exception? innerException = null)
    : Exception($"CUDA cannot be used: {reason}", innerException)
{
    /// <summary>The reason alone, without the words "CUDA cannot be used".</summary>
    public string Reason { get; } = reason;
}
