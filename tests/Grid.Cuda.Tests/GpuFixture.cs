using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Tests;

[assembly: AssemblyFixture(typeof(GpuFixture))]

namespace Grid.Cuda.Tests;

/// <summary>Tests that need the GPU; they run one after another.</summary>
[CollectionDefinition(Name)]
public sealed class GpuCollection
{
    public const string Name = "GPU";
}

/// <summary>
/// The GPU of the tests, number 0. On a machine without one that Grid can use, the tests that ask for it are skipped with the
/// reason; with GRID_REQUIRE_GPU=1 they fail instead, so that a machine bought for them cannot go unused unnoticed.
/// </summary>
public sealed class GpuFixture : IDisposable
{
    private readonly Lock gate = new();
    private readonly string cacheFolder = Path.Combine(Path.GetTempPath(), $"grid-cuda-tests-{Guid.NewGuid():N}");
    private CudaContext? context;
    private NvrtcCompiler? compiler;
    private CudaUnavailableException? missing;

    /// <summary>An empty cache of this run's own.</summary>
    internal CubinCache Cache => new(cacheFolder);

    internal CudaContext Require()
    {
        lock (gate)
        {
            if (context is null && missing is null)
            {
                try
                {
                    context = CudaContext.Open(0);
                    compiler = NvrtcCompiler.Load(context.DriverVersion);
                }
                catch (CudaUnavailableException e)
                {
                    missing = e;
                }
            }
        }

        if (missing is not null)
        {
            if (Environment.GetEnvironmentVariable("GRID_REQUIRE_GPU") == "1")
            {
                throw new InvalidOperationException("GRID_REQUIRE_GPU is 1.", missing);
            }

            Assert.Skip(missing.Message);
        }

        context!.MakeCurrent();
        return context;
    }

    internal NvrtcCompiler RequireCompiler()
    {
        Require();
        return compiler!;
    }

    /// <summary>Builds and loads one text.</summary>
    internal CudaModule Load(KernelSource source)
    {
        var gpu = Require();
        var built = new KernelBuilder(compiler!, Cache).Build([source])[source.Name];
        return new CudaModule(gpu, source.Name, built.Cubin);
    }

    /// <summary>Builds several texts at once and loads them, in their order.</summary>
    internal IReadOnlyList<CudaModule> LoadAll(IReadOnlyList<KernelSource> sources)
    {
        var gpu = Require();
        var build = new KernelBuilder(compiler!, Cache).Build(sources);
        return [.. build.Kernels.Select(built => new CudaModule(gpu, built.Name, built.Cubin))];
    }

    /// <summary>Builds and loads a .cu of the tests.</summary>
    internal CudaModule LoadTestKernel(string file) =>
        Load(KernelSource.FromText(Path.GetFileNameWithoutExtension(file), TestResource.Read(file)));

    public void Dispose()
    {
        context?.Dispose();
        if (Directory.Exists(cacheFolder))
        {
            Directory.Delete(cacheFolder, recursive: true);
        }
    }
}
