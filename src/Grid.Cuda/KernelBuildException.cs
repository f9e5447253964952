namespace Grid.Cuda;

/// <summary>A kernel that cannot be built or must not be used: which one, and why.</summary>
public sealed class KernelBuildException : Exception
{
    /// <param name="kernel">The kernel.</param>
    /// <param name="reason">What is wrong, as the rest of a sentence without its full stop.</param>
    /// <param name="log">The compiler's own words.</param>
    public KernelBuildException(string kernel, string reason, string? log = null)
        : base($"Kernel {kernel} {reason}.{(string.IsNullOrWhiteSpace(log) ? string.Empty : $"{Environment.NewLine}{log.Trim()}")}") =>
        Kernel = kernel;

    /// <summary>The kernel.</summary>
    public string Kernel { get; }
}
