using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>Launches Sampling.cu: a token for each row of logits. What a row asks lies in device memory, so the launch depends on
/// nothing but their number and the vocabulary, and a graph may hold it.</summary>
internal sealed class SamplingKernel(CudaModule module)
{
    /// <summary>The most tokens that a cluster's shared memory holds; also the contract's limit.</summary>
    public const int MaxVocabulary = 1 << 18;

    /// <summary>The most probable tokens that a row can ask for: what the kernel's list of them has room for.</summary>
    public const int MaxTopTokens = 1024;

    private const int Blocks = 8;
    private const int Threads = 320;
    private const int Tile = 128;
    private const int SliceStep = 4;
    private const int SharedBytesBeforeSlice = 25264;

    private readonly CudaKernel<Arguments> kernel = module.GetKernel<Arguments>("sample_rows", SharedBytes(MaxVocabulary));

    /// <summary>What to build.</summary>
    public static KernelSource Source { get; } = KernelSource.FromResource("Sampling/Sampling.cu")
        .WithLayout<SamplingRowData>("SamplingRow")
        .WithLayout<SamplingResult>("SamplingResult")
        .WithLayout<TopToken>("TopToken");

    /// <summary>Gives one launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="logits">[any, vocabulary] fp32; rows name theirs. Only read.</param>
    /// <param name="rows">[rows] <see cref="SamplingRowData"/>, checked by whoever wrote them there.</param>
    /// <param name="results">[rows] <see cref="SamplingResult"/>.</param>
    /// <param name="top">[all rows' top tokens] <see cref="TopToken"/>; rows name where theirs begin.</param>
    /// <param name="rowCount">At least 1.</param>
    /// <param name="vocabulary">At least 1.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public unsafe void Launch(
        CudaStream stream, DeviceSpan logits, DeviceSpan rows, DeviceSpan results, DeviceSpan top, int rowCount, int vocabulary,
        bool startsEarly = false)
    {
        KernelShapes.RequireBytes(logits, (long)vocabulary * sizeof(float));
        KernelShapes.RequireBytes(rows, (long)rowCount * sizeof(SamplingRowData));
        KernelShapes.RequireBytes(results, (long)rowCount * sizeof(SamplingResult));
        KernelShapes.RequireBytes(top, sizeof(TopToken));
        var shape = new LaunchShape(new Dim3(rowCount * Blocks), new Dim3(Threads))
        {
            Cluster = new Dim3(Blocks),
            SharedBytes = SharedBytes(vocabulary),
            StartsEarly = startsEarly,
        };
        kernel.Launch(stream, shape, new Arguments
        {
            Logits = logits.Start,
            Rows = rows.Start,
            Results = results.Start,
            Top = top.Start,
            Vocabulary = (uint)vocabulary,
            Slice = (uint)Slice(vocabulary),
        });
    }

    // A block's share of the tokens, a multiple of what one access reads.
    private static int Slice(int vocabulary) => (((vocabulary + Blocks - 1) / Blocks) + SliceStep - 1) / SliceStep * SliceStep;

    private static int SharedBytes(int vocabulary) =>
        SharedBytesBeforeSlice + ((Slice(vocabulary) + Tile - 1) / Tile * Tile * sizeof(float));

    private struct Arguments
    {
        public CUdeviceptr Logits;
        public CUdeviceptr Rows;
        public CUdeviceptr Results;
        public CUdeviceptr Top;
        public uint Vocabulary;
        public uint Slice;
    }
}

/// <summary>What one row asks; SamplingRow in the kernel's text.</summary>
internal struct SamplingRowData
{
    /// <summary>Nothing is done for the row.</summary>
    public const uint IsUnused = 2;

    /// <summary>Compute the token's logprob.</summary>
    public const uint WantsLogprob = 1;

    /// <summary>32-bit words, one list after the other: bias tokens, biases (fp32), history tokens, output counts, banned tokens.</summary>
    public CUdeviceptr Lists;
    public ulong Seed;
    public long Position;

    /// <summary>ceil(min_p * 2^40)</summary>
    public ulong MinWeight;
    public int LogitRow;

    /// <summary>-1: draw.</summary>
    public int Scored;
    public float Temperature;

    /// <summary>0: all.</summary>
    public int TopK;

    /// <summary>top_p * 2^24; 2^24: all.</summary>
    public uint TopShare;
    public float Repetition;
    public float Frequency;
    public float Presence;
    public int Biases;
    public int History;

    /// <summary>As History; 0 when no penalty looks at them.</summary>
    public int Counts;
    public int Banned;
    public uint Flags;
    public int TopCount;

    /// <summary>Where its top tokens go.</summary>
    public int TopFirst;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
    public uint Unused;
#pragma warning restore CS0649
}

/// <summary>What one row gave; SamplingResult in the kernel's text.</summary>
internal struct SamplingResult
{
#pragma warning disable CS0649 // Written by the kernel.
    public int Token;
    public float Logprob;
    public uint NonFinite;
    public uint Unused;
#pragma warning restore CS0649
}

/// <summary>One of the most probable tokens.</summary>
internal struct TopToken
{
#pragma warning disable CS0649 // Written by the kernel.
    public int Token;
    public float Logprob;
#pragma warning restore CS0649
}
