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
    private const int SharedBytesBeforeSlice = 25280;

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

/// <summary>What one row gave; SamplingResult in the kernel's text.</summary>
internal struct SamplingResult
{
#pragma warning disable CS0649 // Written by the kernel.
    public int Token;
    public float Logprob;
    public uint NonFinite;
    public uint Unused;
    public DigestSums Digest;
#pragma warning restore CS0649
}

/// <summary>The lanes' sums of a row's digest, before the row's length is mixed in; Pair in the kernel's text.</summary>
internal struct DigestSums
{
#pragma warning disable CS0649 // Written by the kernel.
    public ulong First;
    public ulong Second;
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
