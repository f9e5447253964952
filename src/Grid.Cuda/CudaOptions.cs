namespace Grid.Cuda;

/// <summary>How the operations work on a GPU. Nothing here changes a bit of any result.</summary>
public sealed record CudaOptions
{
    /// <summary>Where compiled kernels are kept; null: $XDG_CACHE_HOME/grid/cubins or ~/.cache/grid/cubins.</summary>
    public string? KernelCacheFolder { get; init; }

    /// <summary>Where kernels lie that were packed with the program.</summary>
    internal string PrebuiltFolder { get; init; } = Build.PrebuiltKernels.Folder;

    /// <summary>Told how far the kernels' build has come, from any thread, one at a time.</summary>
    public IProgress<KernelBuildProgress>? KernelBuild { get; init; }

    /// <summary>Whether decode passes are recorded once and repeated (CUDA graphs).</summary>
    public bool RecordPasses { get; init; } = true;

    /// <summary>Whether a kernel may start before the one before it has ended (programmatic dependent launch).</summary>
    public bool KernelsStartEarly { get; init; } = true;

    /// <summary>Places for partial results of decode's segments; a step that needs more sends rows through prefill tiles.</summary>
    internal int PartialSlots { get; init; } = 4096;
}

/// <summary>How far a build has come.</summary>
/// <param name="Done">Kernel texts that are machine code now.</param>
/// <param name="Total">All of them.</param>
/// <param name="Compiled">How many of those done were not in the cache.</param>
/// <param name="CacheProblem">Why what was compiled cannot be kept for the next start; null while it can.</param>
public readonly record struct KernelBuildProgress(int Done, int Total, int Compiled, string? CacheProblem = null)
{
    /// <summary>Whether they were packed with the program.</summary>
    public bool Prebuilt { get; init; }
}
