using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Benchmarks.Gpu;

/// <summary>GPU 0, with kernels that are built and loaded one by one.</summary>
internal sealed class GpuKernels : IDisposable
{
    private readonly KernelBuilder _builder;

    public GpuKernels()
    {
        Context = CudaContext.Open(0);
        _builder = new KernelBuilder(NvrtcCompiler.Load(Context.DriverVersion), new CubinCache(CubinCache.DefaultFolder()));
        Context.MakeCurrent();
    }

    public CudaContext Context { get; }

    public CudaModule Load(KernelSource source) => LoadAll([source])[0];

    /// <summary>Builds several texts at once and loads them, in their order.</summary>
    public IReadOnlyList<CudaModule> LoadAll(IReadOnlyList<KernelSource> sources) =>
        [.. _builder.Build(sources).Kernels.Select(built => new CudaModule(Context, built.Name, built.Cubin))];

    public void Dispose() => Context.Dispose();
}
