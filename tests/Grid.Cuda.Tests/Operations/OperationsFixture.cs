using Grid.Cuda.Tests;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(OperationsFixture))]

// There is one GPU, and its tests time nothing out waiting for each other.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace Grid.Cuda.Tests;

/// <summary>The operations on the GPU of the tests, or a reason to skip.</summary>
public sealed class OperationsFixture : IDisposable
{
    private readonly GpuFixture gpu = new();
    private readonly string cacheFolder = Path.Combine(Path.GetTempPath(), $"grid-cuda-operations-{Guid.NewGuid():N}");
    private CudaOperations? operations;

    /// <summary>As a node has them.</summary>
    internal CudaOperations Require()
    {
        gpu.Require();
        return operations ??= Open(new CudaOptions());
    }

    /// <summary>Others beside those.</summary>
    internal CudaOperations Open(CudaOptions options)
    {
        gpu.Require();
        return CudaOperations.Open(CudaDevice.Require(0), options with { KernelCacheFolder = cacheFolder });
    }

    public void Dispose()
    {
        operations?.Dispose();
        gpu.Dispose();
        if (Directory.Exists(cacheFolder))
        {
            Directory.Delete(cacheFolder, recursive: true);
        }
    }
}
