using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.ClearPages;
using Grid.Cuda.Kernels.DummyFill;
using Grid.Cuda.Kernels.Embed;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.GatherRows;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;
using Grid.Cuda.Kernels.RmsNorm;
using Grid.Cuda.Kernels.RotateAndStore;
using Grid.Cuda.Kernels.Sampling;

namespace Grid.Cuda.Operations;

/// <summary>Every kernel that the operations launch, built and loaded on one GPU.</summary>
internal sealed class KernelLibrary : IDisposable
{
    /// <summary>What attention is made for.</summary>
    public static readonly int[] HeadDims = [64, 128];

    private readonly Dictionary<string, CudaModule> modules = new(StringComparer.Ordinal);
    private readonly Dictionary<int, AttentionKernel> attention = [];
    private readonly Dictionary<int, RotateAndStoreKernel> rotateAndStore = [];

    private KernelLibrary(CudaContext context, KernelBuild build)
    {
        try
        {
            foreach (var kernel in build.Kernels)
            {
                modules.Add(kernel.Name, new CudaModule(context, kernel.Name, kernel.Cubin));
            }

            RmsNorm = new RmsNormKernel(Module(RmsNormKernel.Source));
            PackWeights = new PackWeightsKernel(Module(PackWeightsKernel.Source));
            Product = new ProductKernel([.. ProductKernel.Sources.Select(Module)], context.Device);
            Embed = new EmbedKernel(Module(EmbedKernel.Source));
            GatherRows = new GatherRowsKernel(Module(GatherRowsKernel.Source));
            ClearPages = new ClearPagesKernel(Module(ClearPagesKernel.Source));
            DummyFill = new DummyFillKernel(Module(DummyFillKernel.Source));
            Experts = new ExpertKernels(Product, [.. ExpertKernels.Sources.Select(Module)]);
            Sampling = new SamplingKernel(Module(SamplingKernel.Source));
            foreach (int headDim in HeadDims)
            {
                attention.Add(headDim, new AttentionKernel(Module(AttentionKernel.Source(headDim)), context.Device, headDim));
                rotateAndStore.Add(headDim, new RotateAndStoreKernel(Module(RotateAndStoreKernel.Source(headDim)), headDim));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What is built: what takes longest to compile first, so that nothing is waited for alone.</summary>
    public static IReadOnlyList<KernelSource> Sources { get; } =
    [
        SamplingKernel.Source, .. HeadDims.Select(AttentionKernel.Source),
        .. ProductTile.All.OrderByDescending(tile => tile.Operands * tile.Rows).Select(tile => tile.Source), .. ExpertKernels.Sources,
        RmsNormKernel.Source, PackWeightsKernel.Source, EmbedKernel.Source, GatherRowsKernel.Source, ClearPagesKernel.Source, DummyFillKernel.Source,
        .. HeadDims.Select(RotateAndStoreKernel.Source),
    ];

    public RmsNormKernel RmsNorm { get; }

    public PackWeightsKernel PackWeights { get; }

    public EmbedKernel Embed { get; }

    public GatherRowsKernel GatherRows { get; }

    public ClearPagesKernel ClearPages { get; }

    public DummyFillKernel DummyFill { get; }

    public ExpertKernels Experts { get; }

    public SamplingKernel Sampling { get; }

    public ProductKernel Product { get; }

    /// <summary>The attention of a head size, 64 or 128.</summary>
    public AttentionKernel Attention(int headDim) => attention[headDim];

    /// <summary>The rotation of a head size, 64 or 128.</summary>
    public RotateAndStoreKernel RotateAndStore(int headDim) => rotateAndStore[headDim];

    /// <summary>Takes what was packed with the program, or builds what the cache does not have, one compilation per core, and loads
    /// everything.</summary>
    public static KernelLibrary Load(CudaContext context, CudaOptions options)
    {
        var build = PrebuiltKernels.Find(options.PrebuiltFolder, context.DriverVersion, Sources, out string? problem);
        if (build is not null)
        {
            options.KernelBuild?.Report(new KernelBuildProgress(Sources.Count, Sources.Count, 0) { Prebuilt = true });
        }
        else
        {
            var builder = new KernelBuilder(LoadCompiler(context, problem), new CubinCache(options.KernelCacheFolder ?? CubinCache.DefaultFolder()));
            build = builder.Build(Sources, progress: options.KernelBuild);
        }

        context.MakeCurrent();
        return new KernelLibrary(context, build);
    }

    public void Dispose()
    {
        foreach (var module in modules.Values)
        {
            module.Dispose();
        }

        modules.Clear();
    }

    private static NvrtcCompiler LoadCompiler(CudaContext context, string? problem)
    {
        try
        {
            return NvrtcCompiler.Load(context.DriverVersion);
        }
        catch (CudaUnavailableException exception) when (problem is not null)
        {
            throw new CudaUnavailableException($"{exception.Reason} The kernels that were packed with the program cannot be used: {problem}");
        }
    }

    private CudaModule Module(KernelSource source) => modules[source.Name];
}
