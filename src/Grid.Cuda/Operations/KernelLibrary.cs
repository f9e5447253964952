using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;
using Grid.Cuda.Kernels.RmsNorm;

namespace Grid.Cuda.Operations;

/// <summary>Every kernel that the operations launch, built and loaded on one GPU.</summary>
internal sealed class KernelLibrary : IDisposable
{
    private readonly Dictionary<string, CudaModule> modules = new(StringComparer.Ordinal);

    private KernelLibrary(CudaContext context, KernelBuild build)
    {
        try
        {
            foreach (BuiltKernel kernel in build.Kernels)
            {
                modules.Add(kernel.Name, new CudaModule(context, kernel.Name, kernel.Cubin));
            }

            RmsNorm = new RmsNormKernel(Module(RmsNormKernel.Source));
            PackWeights = new PackWeightsKernel(Module(PackWeightsKernel.Source));
            Product = new ProductKernel([.. ProductKernel.Sources.Select(Module)], context.Device);
            attention64 = new AttentionKernel(Module(AttentionKernel.Source(64)), 64);
            attention128 = new AttentionKernel(Module(AttentionKernel.Source(128)), 128);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private readonly AttentionKernel attention64;
    private readonly AttentionKernel attention128;

    /// <summary>What is built.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } =
    [
        RmsNormKernel.Source, PackWeightsKernel.Source, .. ProductKernel.Sources, AttentionKernel.Source(64), AttentionKernel.Source(128),
    ];

    public RmsNormKernel RmsNorm { get; }

    public PackWeightsKernel PackWeights { get; }

    public ProductKernel Product { get; }

    /// <summary>The attention of a head size, 64 or 128.</summary>
    public AttentionKernel Attention(int headDim) => headDim == 64 ? attention64 : attention128;

    /// <summary>Builds what the cache does not have, one compilation per core, and loads everything.</summary>
    public static KernelLibrary Load(CudaContext context, CudaOptions options)
    {
        var builder = new KernelBuilder(NvrtcCompiler.Load(context.DriverVersion), new CubinCache(options.KernelCacheFolder));
        KernelBuild build = builder.Build(Sources, progress: options.KernelBuild);
        context.MakeCurrent();
        return new KernelLibrary(context, build);
    }

    public void Dispose()
    {
        foreach (CudaModule module in modules.Values)
        {
            module.Dispose();
        }

        modules.Clear();
    }

    private CudaModule Module(KernelSource source) => modules[source.Name];
}
