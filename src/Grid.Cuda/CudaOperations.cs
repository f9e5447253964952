using System.Text.RegularExpressions;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.Sampling;
using Grid.Cuda.Operations;
using Grid.Models.Operations;

namespace Grid.Cuda;

/// <summary>
/// The operations of the numeric contract on one GPU, on one stream. Calls are made one after another, from any thread; those of
/// one step, from <see cref="DeviceOperations.BeginStep"/> to the next, from one. A call that computes returns before the GPU is done;
/// Sample and the Read calls wait for their results.
/// </summary>
public sealed partial class CudaOperations : DeviceOperations
{
    private static readonly KnownFields Known = new KnownFields()
        .Of<NormSpec>(nameof(NormSpec.Weight), nameof(NormSpec.Epsilon))
        .Of<RowList>(nameof(RowList.IsListed), nameof(RowList.First), nameof(RowList.Count))
        .Of<Epilogue>(nameof(Epilogue.Kind), nameof(Epilogue.Target), nameof(Epilogue.Logits), nameof(Epilogue.Bias))
        .Of<RoutingSpec>(nameof(RoutingSpec.Normalize))
        .Of<RotarySpec>(
            nameof(RotarySpec.QueryHeads), nameof(RotarySpec.Table), nameof(RotarySpec.QueryNorm), nameof(RotarySpec.KeyNorm), nameof(RotarySpec.Epsilon))
        .Of<AttentionSpec>(nameof(AttentionSpec.QueryHeads), nameof(AttentionSpec.Scale));

    private readonly CudaOptions options;
    private readonly CudaContext context;
    private readonly CudaStream stream;
    private readonly DeviceHeap heap;
    private readonly KernelLibrary kernels;
    private readonly WeightUploader weights;
    private readonly AttentionPlan plan;
    private readonly StepInputs inputs;
    private readonly PassRecorder recorder;
    private readonly StagedInts pageIds;
    private readonly StepTimer timer;
    private int group; // query heads per KV head of the last attention; 0: there was none
    private int stepGroup; // the same, of the step's attentions so far
    private bool groupsDiffer; // between the step's attentions
    private bool uploading; // weights have come since the last step began
    private DeviceSampler? drawing; // of the last BeginSample: the next step may name its tokens
    private readonly Queue<DeviceSampler> underWay = new(2);
    private DeviceMemory? partialValues;
    private DeviceMemory? partialState;
    private DeviceMemory? arrivals;
    private DeviceMemory? alignedRows;
    private DeviceMemory? gatheredRows;
    private bool disposed;

    private CudaOperations(CudaContext context, CudaOptions options, CudaStream stream, KernelLibrary kernels)
        : base(Known)
    {
        (this.context, this.options, this.stream, this.kernels) = (context, options, stream, kernels);
        heap = new DeviceHeap(context);
        plan = new AttentionPlan(options.PartialSlots);
        weights = new WeightUploader(context, stream, heap, kernels);
        inputs = new StepInputs(context, stream, heap);
        pageIds = new StagedInts(context, stream, heap);
        timer = new StepTimer(context, stream);
        recorder = new PassRecorder(context, stream, inputs, plan);
        heap.Freeing += recorder.Forget;
        DeviceDescription = $"{context.Device.Name} (cuda:{context.Device.Ordinal}), driver {DriverRelease(context)}";
    }

    /// <inheritdoc/>
    public override string DeviceDescription { get; }

    /// <inheritdoc/>
    public override bool RunsAhead => true;

    /// <summary>The GPU.</summary>
    public CudaDevice Device => context.Device;

    /// <summary>The GPU's memory now.</summary>
    public CudaMemoryInfo Memory
    {
        get
        {
            context.MakeCurrent();
            (long free, long total) = context.MemoryInfo();
            return new CudaMemoryInfo(free, total);
        }
    }

    /// <summary>Steps that ran as a recorded pass.</summary>
    internal long ReplayedSteps => recorder.Replays;

    /// <summary>Passes recorded.</summary>
    internal long RecordedPasses => recorder.Recordings;

    /// <summary>Builds the kernels that the cache lacks and opens the GPU.</summary>
    /// <param name="device">One of <see cref="CudaDevice.List"/>.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="CudaUnavailableException">The GPU, the driver or the compiler is not one Grid can use.</exception>
    /// <exception cref="KernelBuildException">A kernel does not compile.</exception>
    public static CudaOperations Open(CudaDevice device, CudaOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new CudaOptions();
        var context = CudaContext.Open(device.Ordinal);
        CudaStream? stream = null;
        KernelLibrary? kernels = null;
        try
        {
            kernels = KernelLibrary.Load(context, options);
            stream = new CudaStream(context);
            return new CudaOperations(context, options, stream, kernels);
        }
        catch
        {
            kernels?.Dispose();
            stream?.Dispose();
            context.Dispose();
            throw;
        }
    }

    // ---- Load time -------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The GPU's memory does not suffice.</exception>
    protected override WeightMatrix UploadMatrixCore(ReadOnlySpan<TensorSource> parts)
    {
        BeginUpload();
        return weights.Stacked(parts);
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The GPU's memory does not suffice.</exception>
    protected override WeightMatrix UploadGatedMatrixCore(TensorSource gate, TensorSource up)
    {
        BeginUpload();
        return weights.Gated(gate, up);
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The GPU's memory does not suffice.</exception>
    protected override ExpertMatrix UploadExpertsCore(ReadOnlySpan<TensorSource> experts)
    {
        BeginUpload();
        return weights.Experts(experts);
    }

    /// <inheritdoc/>
    /// <exception cref="CudaOutOfMemoryException">The GPU's memory does not suffice.</exception>
    protected override ExpertMatrix UploadGatedExpertsCore(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        BeginUpload();
        return weights.GatedExperts(gates, ups);
    }

    /// <inheritdoc/>
    protected override WeightVector UploadVectorCore(ReadOnlySpan<TensorSource> parts)
    {
        BeginUpload();
        return weights.Vector(parts);
    }

    /// <inheritdoc/>
    protected override void ReplaceCore(WeightMatrix weights, ReadOnlySpan<TensorSource> sources)
    {
        BeginUpload();
        this.weights.Fill((CudaMatrix)weights, sources.ToArray());
    }

    /// <inheritdoc/>
    protected override void ReplaceCore(ExpertMatrix weights, ReadOnlySpan<TensorSource> sources)
    {
        BeginUpload();
        this.weights.Fill((CudaExpertMatrix)weights, sources.ToArray());
    }

    /// <inheritdoc/>
    protected override void ReplaceCore(WeightVector weights, ReadOnlySpan<TensorSource> sources)
    {
        BeginUpload();
        this.weights.Fill((CudaVector)weights, sources);
    }

    /// <inheritdoc/>
    protected override RotaryTable UploadRotaryCore(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim)
    {
        BeginUpload();
        return new CudaRotaryTable(positions, headDim, Uploaded(cos), Uploaded(sin));
    }

    /// <inheritdoc/>
    protected override Activation AllocateActivationCore(int maxRows, int width) =>
        new CudaActivation(maxRows, width, Zeroed((long)maxRows * width * sizeof(ushort), "working memory"));

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is larger than the sampler takes.</exception>
    protected override LogitsBuffer AllocateLogitsCore(int maxRows, int width)
    {
        var data = Zeroed((long)maxRows * width * sizeof(float), "the logits");
        try
        {
            var sampler = heap.Own(
                () => new DeviceSampler(context, kernels.Sampling, maxRows, width), DeviceSampler.MaxTopLogprobs * 8L * maxRows, "sampling");
            return new CudaLogits(maxRows, width, heap, data, sampler);
        }
        catch
        {
            heap.Free(data);
            throw;
        }
    }

    /// <inheritdoc/>
    protected override ExpertRouting AllocateRoutingCore(int maxRows, int experts, int slots, int width)
    {
        context.MakeCurrent();
        long bytes = (long)maxRows * ((experts + (3L * slots)) * sizeof(float));
        var memory = heap.Own(
            () => new ExpertRoutingMemory(context, stream, maxRows, experts, slots, width),
            bytes + ExpertRoutingMemory.OutputBytes(maxRows, slots, width), "routing to experts");
        return new CudaExpertRouting(maxRows, experts, slots, width, memory);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The head size is neither 64 nor 128.</exception>
    /// <exception cref="CudaOutOfMemoryException">The GPU's memory does not suffice.</exception>
    protected override KvCache AllocateKvCacheCore(int layers, int kvHeads, int headDim, int pages)
    {
        AttentionKernel.RequireHeadDim(headDim);
        var data = Zeroed(checked(KvPageBytes(layers, kvHeads, headDim) * pages), $"a KV cache of {pages} pages");
        return new CudaKvCache(layers, kvHeads, headDim, pages, heap, data);
    }

    /// <inheritdoc/>
    public override long KvPageBytes(int layers, int kvHeads, int headDim) => layers * AttentionKernel.PageBytes(kvHeads, headDim);

    // ---- Tests and tools -------------------------------------------------------------------------------------

    /// <inheritdoc/>
    protected override void ReadCore(Activation source, int rows, Span<ushort> destination)
    {
        context.MakeCurrent();
        Download(destination[..(rows * source.Width)], ((CudaActivation)source).Data);
    }

    /// <inheritdoc/>
    protected override void ReadCore(LogitsBuffer source, int rows, Span<float> destination)
    {
        context.MakeCurrent();
        Download(destination[..(rows * source.Width)], ((CudaLogits)source).Data);
    }

    /// <inheritdoc/>
    protected override void ReadCore(ExpertRouting source, int rows, Span<int> experts, Span<float> weights)
    {
        var memory = ((CudaExpertRouting)source).Memory;
        int entries = rows * source.Slots;
        context.MakeCurrent();
        Download(experts[..entries], memory.Chosen);
        Download(weights[..entries], memory.Weights);
    }

    /// <summary>Waits until everything given to the GPU is done.</summary>
    internal void Synchronize()
    {
        context.MakeCurrent();
        stream.Synchronize();
    }

    /// <summary>Waits for the GPU and frees everything that these operations allocated; after a fault of the GPU, as much of
    /// it as can be.</summary>
    /// <exception cref="CudaException">The first thing that could not be done; the rest was.</exception>
    protected override void Dispose(bool disposing)
    {
        if (disposed || !disposing)
        {
            return;
        }

        disposed = true;
        heap.Freeing -= recorder.Forget;
        Release.All(
        [
            context.MakeCurrent, stream.Synchronize, recorder.Dispose, weights.Dispose, inputs.Dispose, pageIds.Dispose, timer.Dispose, heap.Dispose,
            stream.Dispose, kernels.Dispose, context.Dispose,
        ]);
    }

    private void BeginUpload()
    {
        context.MakeCurrent();
        uploading = true;
    }

    private DeviceMemory Zeroed(long bytes, string what)
    {
        context.MakeCurrent();
        return heap.AllocateZeroed(stream, bytes, what);
    }

    private DeviceMemory Uploaded(ReadOnlySpan<float> values)
    {
        var memory = heap.Allocate((long)values.Length * sizeof(float), "the rotary table");
        stream.Upload(memory.Span, values);
        return memory;
    }

    /// <summary>As many elements as there is room for.</summary>
    private unsafe void Download<T>(Span<T> destination, DeviceSpan source)
        where T : unmanaged => stream.Download(destination, source.Slice(0, (long)destination.Length * sizeof(T)));

    /// <summary>The driver's release as its kernel module gives it, such as 580.159.04; else the CUDA that it supports.</summary>
    private static string DriverRelease(CudaContext context)
    {
        const string VersionFile = "/proc/driver/nvidia/version";
        string text = File.Exists(VersionFile) ? File.ReadAllText(VersionFile) : string.Empty;
        var release = ReleasePattern().Match(text);
        return release.Success ? release.Value : $"for CUDA {context.DriverVersion}";
    }

    [GeneratedRegex(@"\b\d{3}\.\d+(\.\d+)?\b")]
    private static partial Regex ReleasePattern();
}
