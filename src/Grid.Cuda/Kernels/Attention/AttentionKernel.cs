using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.Attention;

/// <summary>
/// Launches Attention.cu: causal attention over paged keys and values, bits of <see cref="AttentionReference"/>. A step's
/// prefill tiles and its decode tiles are two launches. Where decode tiles are few, a kernel takes them that ends soon and merges their
/// segments itself; the one for many is as fast as memory, and a launch of its own merges.
/// </summary>
internal sealed class AttentionKernel
{
    /// <summary>Rows (query token and head) of a prefill tile.</summary>
    public const int PrefillRows = 3 * WarpgroupRows;

    /// <summary>Query heads per KV head that decode can take; more go through prefill tiles.</summary>
    public const int MaxDecodeGroup = 16;

    /// <summary>Of them, those that the kernel for many tiles can take.</summary>
    private const int NarrowDecodeGroup = 8;

    private const int WarpgroupRows = 64;
    private const int PrefillWarpgroups = 3;
    private const int PrefillStages = 2;
    private const int DecodeStages = 3;
    private const int MergeThreads = 128;
    private const int MergeElements = 4 * MergeThreads;
    private const int OnesBytes = 256;
    private const int TileWarps = 4;
    private const int TileThreads = 32 * ((2 * TileWarps) + 1);
    private const int TileKeyStages = 2;
    private const int TileValueStages = 4;

    // Below it, the kernels' stand-in for a maximum of -infinity would not give the contract's bits.
    private const float LeastExponentFactor = 1e-30f;

    private readonly CudaKernel<Arguments> prefill;
    private readonly CudaKernel<Arguments> decode;
    private readonly CudaKernel<Arguments> fewDecode;
    private readonly CudaKernel<Arguments> wideDecode;
    private readonly CudaKernel<Arguments> merge;
    private readonly int headDim;
    private readonly int multiprocessors;

    public AttentionKernel(CudaModule module, CudaDevice device, int headDim)
    {
        RequireHeadDim(headDim);
        this.headDim = headDim;
        multiprocessors = device.Multiprocessors;
        prefill = module.GetKernel<Arguments>("attention_prefill", PrefillSharedBytes(headDim));
        decode = module.GetKernel<Arguments>("attention_decode", DecodeSharedBytes(headDim));
        fewDecode = module.GetKernel<Arguments>("attention_decode_few", TileSharedBytes(headDim, 1));
        wideDecode = module.GetKernel<Arguments>("attention_decode_wide", TileSharedBytes(headDim, 2));
        merge = module.GetKernel<Arguments>("attention_merge");
    }

    /// <summary>What to build for a head size, 64 or 128.</summary>
    public static KernelSource Source(int headDim)
    {
        RequireHeadDim(headDim);
        return KernelSource.FromResource(
            "Attention/Attention.cu", $"Attention-{headDim}", $"HEAD_DIM={headDim}", $"BLOCK_TOKENS={AttentionLayout.BlockTokens}",
            $"SEGMENT_TOKENS={AttentionLayout.SegmentTokens}", $"PREFILL_SHARED={PrefillSharedBytes(headDim)}",
            $"DECODE_SHARED={DecodeSharedBytes(headDim)}", $"FEW_SHARED={TileSharedBytes(headDim, 1)}",
            $"WIDE_SHARED={TileSharedBytes(headDim, 2)}")
            .WithLayout<AttentionSequence>(nameof(AttentionSequence))
            .WithLayout<AttentionTile>(nameof(AttentionTile));
    }

    /// <summary>Bytes of a page of one layer: keys and values of <see cref="AttentionLayout.BlockTokens"/> tokens.</summary>
    public static long PageBytes(int kvHeads, int headDim) => 2L * kvHeads * AttentionLayout.BlockTokens * headDim * sizeof(ushort);

    /// <summary>Segments, and so decode tiles, of a sequence whose query is at a position.</summary>
    public static int Segments(int position) => (position / AttentionLayout.SegmentTokens) + 1;

    /// <summary>Bytes that partial results of so many slots need.</summary>
    public static (long Values, long State) PartialBytes(int slots, int queryHeads, int kvHeads, int headDim)
    {
        // As the kernels for few tiles hold them. Narrow ones have at most a block a multiprocessor: they need less than what many
        // slots take without padding.
        long heads = queryHeads > NarrowDecodeGroup * kvHeads ? (long)MaxDecodeGroup * kvHeads : queryHeads;
        return (slots * heads * headDim * sizeof(float), slots * heads * 2 * sizeof(float));
    }

    /// <summary>Bytes of the counters of partial results.</summary>
    public static long ArrivalBytes(int slots, int kvHeads) => (long)slots * kvHeads * sizeof(int);

    /// <summary>Every row of the prefill tiles' sequences. Longest tiles first is fastest.</summary>
    public void LaunchPrefill(CudaStream stream, in AttentionOperands operands, int maxTiles, bool startsEarly = false)
    {
        var shape = new LaunchShape(new Dim3(checked(maxTiles * operands.KvHeads)), new Dim3((PrefillWarpgroups + 1) * 128))
        {
            SharedBytes = PrefillSharedBytes(headDim),
            StartsEarly = startsEarly,
        };
        prefill.Launch(stream, shape, Check(operands, maxTiles));
    }

    /// <summary>Every segment of the decode tiles' sequences, merged.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="operands">What.</param>
    /// <param name="maxTiles">At most so many tiles.</param>
    /// <param name="mergeable">Sequences, the first ones, that may have several segments; those with FirstSlot below 0 have one.</param>
    /// <param name="startsEarly">As in <see cref="LaunchShape.StartsEarly"/>.</param>
    public void LaunchDecode(CudaStream stream, in AttentionOperands operands, int maxTiles, int mergeable, bool startsEarly = false)
    {
        if (operands.QueryHeads > MaxDecodeGroup * operands.KvHeads)
        {
            throw new ArgumentException(
                $"Decode takes at most {MaxDecodeGroup} query heads per KV head; {operands.QueryHeads} of {operands.KvHeads} are more.",
                nameof(operands));
        }

        var arguments = Check(operands, maxTiles);
        int blocks = checked(maxTiles * operands.KvHeads);
        bool wide = arguments.Group > NarrowDecodeGroup;
        if (wide || blocks <= multiprocessors)
        {
            if (mergeable > 0)
            {
                KernelShapes.RequireBytes(operands.Arrivals, sizeof(int));
            }

            var shape = new LaunchShape(new Dim3(blocks), new Dim3(TileThreads))
            {
                SharedBytes = TileSharedBytes(headDim, wide ? 2 : 1),
                StartsEarly = startsEarly,
            };
            (wide ? wideDecode : fewDecode).Launch(stream, shape, arguments);
            return;
        }

        decode.Launch(
            stream,
            new LaunchShape(new Dim3(blocks), new Dim3(128)) { SharedBytes = DecodeSharedBytes(headDim), StartsEarly = startsEarly },
            arguments);
        if (mergeable > 0)
        {
            int elements = operands.QueryHeads * headDim;
            KernelShapes.RequireBytes(operands.Sequences, mergeable * 16L);
            var shape = new LaunchShape(new Dim3(mergeable, (elements + MergeElements - 1) / MergeElements), new Dim3(MergeThreads));
            merge.Launch(stream, shape with { StartsEarly = startsEarly }, arguments);
        }
    }

    /// <summary>Refuses head sizes that there are no kernels for.</summary>
    public static void RequireHeadDim(int headDim)
    {
        if (headDim is not (64 or 128))
        {
            throw new ArgumentOutOfRangeException(nameof(headDim), headDim, "The attention kernels are made for head sizes 64 and 128.");
        }
    }

    private static int PrefillSharedBytes(int headDim) =>
        (PrefillWarpgroups * WarpgroupRows * headDim * 2) + Ring(PrefillStages, headDim)
        + (PrefillWarpgroups * WarpgroupRows * ((headDim * 4) + 8)) + OnesBytes;

    private static int DecodeSharedBytes(int headDim) => Ring(DecodeStages, headDim) + OnesBytes;

    /// <summary>Of the kernels for few tiles: blocks of keys and values, for each of two chunks weights, r, largest scores and M of its
    /// blocks, barriers, a flag.</summary>
    private static int TileSharedBytes(int headDim, int headTiles) =>
        (((TileWarps * TileKeyStages) + TileValueStages) * AttentionLayout.BlockTokens * headDim * sizeof(ushort))
        + (2 * TileWarps * AttentionLayout.BlockTokens / 16 * headTiles * 256) + (2 * ((2 * TileWarps) + 1) * 8 * headTiles * sizeof(float))
        + (8 * ((TileWarps * TileKeyStages) + (2 * TileValueStages) + 4)) + 16;

    /// <summary>Key and value blocks and their four barriers.</summary>
    private static int Ring(int stages, int headDim) => stages * ((2 * AttentionLayout.BlockTokens * headDim * sizeof(ushort)) + 32);

    private Arguments Check(in AttentionOperands o, int maxTiles)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(o.KvHeads);
        if (o.QueryHeads <= 0 || o.QueryHeads % o.KvHeads != 0)
        {
            throw new ArgumentException($"{o.QueryHeads} query heads are no multiple of {o.KvHeads} KV heads.", nameof(o));
        }

        float c = AttentionReference.ExponentFactor(o.Scale);
        if (!(c >= LeastExponentFactor))
        {
            throw new ArgumentException(
                $"The scale is {o.Scale}; its product with log2(e) must be at least {LeastExponentFactor}.", nameof(o));
        }

        if (o.QueryStride % 8 != 0)
        {
            throw new ArgumentException($"The queries' stride is {o.QueryStride}; 16-byte accesses need a multiple of 8.", nameof(o));
        }

        KernelShapes.RequireBytes(o.Queries, sizeof(ushort));
        KernelShapes.RequireBytes(o.Output, sizeof(ushort));
        KernelShapes.RequireBytes(o.Pages, PageBytes(o.KvHeads, headDim));
        KernelShapes.RequireBytes(o.PageTable, sizeof(int));
        KernelShapes.RequireBytes(o.Sequences, 16);
        KernelShapes.RequireBytes(o.Tiles, maxTiles * 16L);
        KernelShapes.RequireBytes(o.TileCount, sizeof(int));
        return new Arguments
        {
            Queries = o.Queries.Start,
            Output = o.Output.Start,
            Pages = o.Pages.Start,
            PageTable = o.PageTable.Start,
            Sequences = o.Sequences.Start,
            Tiles = o.Tiles.Start,
            TileCount = o.TileCount.Start,
            PartialValues = o.PartialValues.Start,
            PartialState = o.PartialState.Start,
            Arrivals = o.Arrivals.Start,
            PageStride = PageBytes(o.KvHeads, headDim),
            QueryStride = o.QueryStride,
            OutputStride = o.QueryHeads * headDim,
            PageTableStride = o.PageTableStride,
            Group = o.QueryHeads / o.KvHeads,
            KvHeads = o.KvHeads,
            C = c,
        };
    }

    private struct Arguments
    {
        public CUdeviceptr Queries;
        public CUdeviceptr Output;
        public CUdeviceptr Pages;
        public CUdeviceptr PageTable;
        public CUdeviceptr Sequences;
        public CUdeviceptr Tiles;
        public CUdeviceptr TileCount;
        public CUdeviceptr PartialValues;
        public CUdeviceptr PartialState;
        public CUdeviceptr Arrivals;
        public long PageStride;
        public int QueryStride;
        public int OutputStride;
        public int PageTableStride;
        public int Group;
        public int KvHeads;
        public float C;
    }
}
