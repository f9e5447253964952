using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Grid.Cuda.Build;

/// <summary>Turns kernel texts into machine code: from the cache where it has them, else compiled, several at once.</summary>
internal sealed class KernelBuilder(IKernelCompiler compiler, CubinCache cache)
{
    /// <summary>Builds all of them.</summary>
    /// <param name="sources">Names must be unique.</param>
    /// <param name="maxParallel">Compilations at once; 0: one per processor.</param>
    /// <param name="progress">Told after each of them, from any thread, one at a time.</param>
    /// <exception cref="KernelBuildException">One does not compile or must not be used; the first of them in the order given.</exception>
    /// <exception cref="CudaException">The compiler itself failed.</exception>
    public KernelBuild Build(
        IReadOnlyList<KernelSource> sources, int maxParallel = 0, IProgress<KernelBuildProgress>? progress = null)
    {
        string? twice = sources.GroupBy(source => source.Name).FirstOrDefault(group => group.Count() > 1)?.Key;
        if (twice is not null)
        {
            throw new ArgumentException($"Two kernels are called {twice}.", nameof(sources));
        }

        var built = new BuiltKernel[sources.Count];
        var failures = new ExceptionDispatchInfo?[sources.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = maxParallel > 0 ? maxParallel : Environment.ProcessorCount };
        var state = new KernelBuildProgress(0, sources.Count, 0);
        var reporting = new Lock();
        // One by one, in the order given: ranges would leave one core with the slowest texts of a family, one after the other.
        Parallel.ForEach(Partitioner.Create(Enumerable.Range(0, sources.Count), EnumerablePartitionerOptions.NoBuffering), options, i =>
        {
            try
            {
                built[i] = BuildOne(sources[i]);
                lock (reporting)
                {
                    state = new KernelBuildProgress(
                        state.Done + 1, state.Total, state.Compiled + (built[i].FromCache ? 0 : 1), state.CacheProblem ?? built[i].CacheProblem);
                    progress?.Report(state);
                }
            }
            catch (Exception e)
            {
                // The loop would wrap it, and go on only with some of the others.
                failures[i] = ExceptionDispatchInfo.Capture(e);
            }
        });
        failures.FirstOrDefault(failure => failure is not null)?.Throw();
        return new KernelBuild(built);
    }

    private BuiltKernel BuildOne(KernelSource source)
    {
        string key = CubinKey.Of(compiler, source);
        byte[]? cached = cache.Read(source.Name, key, out bool damaged);
        if (cached is not null)
        {
            return new BuiltKernel(source.Name, cached, FromCache: true, WasDamaged: false, CacheProblem: null);
        }

        var compiled = compiler.Compile(source);
        CompilerLog.Check(source.Name, compiled.Log);
        string? problem = null;
        try
        {
            cache.Write(source.Name, key, compiled.Cubin);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A node with a read-only disk still serves; it starts slowly, and its owner is told why.
            problem = e.Message;
        }

        return new BuiltKernel(source.Name, compiled.Cubin, FromCache: false, damaged, problem);
    }
}

/// <summary>One kernel's machine code and where it came from.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="Cubin">Machine code.</param>
/// <param name="FromCache">It was in the cache.</param>
/// <param name="WasDamaged">The cache had a file that was not what was once written; it has been replaced.</param>
/// <param name="CacheProblem">Why it could not be kept for the next start; null when it was.</param>
internal sealed record BuiltKernel(string Name, byte[] Cubin, bool FromCache, bool WasDamaged, string? CacheProblem);

/// <summary>The kernels of one build.</summary>
internal sealed record KernelBuild(IReadOnlyList<BuiltKernel> Kernels)
{
    /// <summary>One of them by name.</summary>
    public BuiltKernel this[string name] =>
        Kernels.FirstOrDefault(kernel => kernel.Name == name)
        ?? throw new ArgumentException($"There is no kernel {name} in this build.", nameof(name));
}
