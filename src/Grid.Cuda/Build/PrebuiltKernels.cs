using Grid.Cuda.Driver;

namespace Grid.Cuda.Build;

/// <summary>
/// Machine code that was made when the program was packed and lies beside it, so that a machine needs the driver and no compiler.
/// The folder is a <see cref="CubinCache"/> and a file that says what made it: a line with NVRTC's version, one with its identity,
/// and one for each of its options. Texts that have changed since are not found in it.
/// </summary>
internal static class PrebuiltKernels
{
    private const string DescriptionFile = "compiler";

    /// <summary>Where a program looks for them.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "kernels");

    /// <summary>Compiles everything into a folder.</summary>
    /// <exception cref="CudaException">The compiler itself failed.</exception>
    /// <exception cref="KernelBuildException">A text does not compile.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Make(
        string folder, IKernelCompiler compiler, CudaVersion version, IReadOnlyList<KernelSource> sources, IProgress<KernelBuildProgress>? progress)
    {
        var build = new KernelBuilder(compiler, new CubinCache(folder)).Build(sources, progress: progress);
        if (build.Kernels.FirstOrDefault(kernel => kernel.CacheProblem is not null)?.CacheProblem is { } problem)
        {
            throw new IOException(problem);
        }

        File.WriteAllLines(Path.Combine(folder, DescriptionFile), [version.ToString(), compiler.Identity, .. compiler.Options]);
    }

    /// <summary>What lies in a folder, if all of it does.</summary>
    /// <param name="folder">What <see cref="Make"/> made.</param>
    /// <param name="driver">What the driver supports.</param>
    /// <param name="sources">What is needed.</param>
    /// <param name="problem">Why there is a folder that cannot be used; null where there is none, or it can.</param>
    public static KernelBuild? Find(string folder, CudaVersion driver, IReadOnlyList<KernelSource> sources, out string? problem)
    {
        problem = null;
        string[] description;
        try
        {
            description = File.ReadAllLines(Path.Combine(folder, DescriptionFile));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = e.Message;
            return null;
        }

        if (description.Length < 2 || !Version.TryParse(description[0], out var version))
        {
            problem = $"{Path.Combine(folder, DescriptionFile)} does not say which compiler made them.";
            return null;
        }

        if (version.Major > driver.Major)
        {
            problem = $"they were made by NVRTC {version}, and the NVIDIA driver (CUDA {driver}) cannot load that.";
            return null;
        }

        var compiler = new Recorded(description[1], description[2..]);
        var cache = new CubinCache(folder);
        var built = new List<BuiltKernel>();
        foreach (var source in sources)
        {
            if (cache.Read(source.Name, CubinKey.Of(compiler, source), out bool damaged) is not { } cubin)
            {
                problem = damaged ? $"{source.Name} is damaged." : $"{source.Name} is not among them: they were made of other texts.";
                return null;
            }

            built.Add(new BuiltKernel(source.Name, cubin, FromCache: true, WasDamaged: false, CacheProblem: null));
        }

        return new KernelBuild(built);
    }

    /// <summary>The compiler that made them, as far as names of files depend on it.</summary>
    private sealed class Recorded(string identity, IReadOnlyList<string> options) : IKernelCompiler
    {
        public string Identity => identity;

        public IReadOnlyList<string> Options => options;

        public CompiledKernel Compile(KernelSource source) => throw new InvalidOperationException("It is not here.");
    }
}
