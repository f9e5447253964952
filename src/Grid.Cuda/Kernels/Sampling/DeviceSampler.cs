using Grid.Cuda.Driver;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>
/// Samples and scores rows of logits in device memory with the bits of <see cref="Grid.Numerics.SamplerReference"/> and
/// <see cref="Grid.Numerics.LogprobReference"/>. Each row has its own parameters and touches no other. What rows ask goes up in one
/// copy, or two when there are lists; tokens and asked-for logprobs and digests come back, nothing else. Memory is allocated once, except
/// that the room for lists (biases, histories, bans) grows when a step needs more than any before.
/// </summary>
/// <remarks>For one stream at a time. <see cref="Begin"/> and <see cref="End"/> are the parts of <see cref="Sample"/>; two may be under
/// way, and end in the order in which they began. <see cref="Prepare"/>, <see cref="Launch"/> and <see cref="Return"/> are the parts of
/// <see cref="Begin"/>; a graph may hold the launch.</remarks>
internal sealed unsafe class DeviceSampler : IDisposable
{
    /// <summary>The most tokens of a vocabulary.</summary>
    public const int MaxVocabulary = SamplingKernel.MaxVocabulary;

    /// <summary>The largest <see cref="SamplingRow.TopLogprobs"/>.</summary>
    public const int MaxTopLogprobs = SamplingKernel.MaxTopTokens;

    private readonly SamplingKernel kernel;
    private readonly SamplingLists lists;
    private readonly Staging[] stagings = new Staging[2];
    private readonly DeviceMemory rowData;
    private readonly DeviceMemory resultData;
    private readonly DeviceMemory topData;
    private bool cleared;
    private bool freed;
    private long begun;
    private long ended;

    /// <param name="context">The GPU.</param>
    /// <param name="kernel">Loaded there.</param>
    /// <param name="maxRows">Rows of one launch at most.</param>
    /// <param name="vocabulary">Length of every row, at most <see cref="MaxVocabulary"/>.</param>
    /// <exception cref="CudaException">There is not enough memory.</exception>
    public DeviceSampler(CudaContext context, SamplingKernel kernel, int maxRows, int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vocabulary, MaxVocabulary);
        this.kernel = kernel;
        (MaxRows, Vocabulary) = (maxRows, vocabulary);
        long topBytes = (long)maxRows * Math.Min(MaxTopLogprobs, vocabulary) * sizeof(TopToken);
        try
        {
            lists = new SamplingLists(context);
            for (int i = 0; i < stagings.Length; i++)
            {
                stagings[i] = new Staging(context, maxRows, topBytes);
            }

            rowData = new DeviceMemory(context, (long)maxRows * sizeof(SamplingRowData));
            resultData = new DeviceMemory(context, (long)maxRows * sizeof(SamplingResult));
            topData = new DeviceMemory(context, topBytes);
        }
        catch
        {
            Dispose(); // of those that there are
            throw;
        }
    }

    /// <summary>Rows of one launch at most.</summary>
    public int MaxRows { get; }

    /// <summary>Length of every row.</summary>
    public int Vocabulary { get; }

    /// <summary>[<see cref="MaxRows"/>] of the rows launched last: the next step's kernels may read their tokens. Empty once freed.</summary>
    public DeviceSpan Results => freed ? default : resultData.Span;

    /// <summary>Samples or scores rows and waits for the results; more than <see cref="MaxRows"/> take several launches.</summary>
    /// <param name="stream">Where; what was given to it before is done first.</param>
    /// <param name="logits">[any, vocabulary] fp32. Only read.</param>
    /// <param name="rows">Each by its own parameters; several may name the same row of logits.</param>
    /// <param name="results">[rows]</param>
    /// <exception cref="ArgumentException">A row asks for what cannot be; nothing was launched for its group of rows.</exception>
    public void Sample(CudaStream stream, DeviceSpan logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        if (results.Length < rows.Length)
        {
            throw new ArgumentException($"There are {rows.Length} rows and room for {results.Length} results.", nameof(results));
        }

        int logitRows = (int)Math.Min(int.MaxValue, logits.Bytes / ((long)Vocabulary * sizeof(float)));
        for (int first = 0; first < rows.Length; first += MaxRows)
        {
            int count = Math.Min(MaxRows, rows.Length - first);
            Begin(stream, logits, rows.Slice(first, count), logitRows);
            End(results.Slice(first, count));
        }
    }

    /// <summary>Gives the sampling of at most <see cref="MaxRows"/> rows to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="logits">[logitRows, vocabulary] fp32. Only read.</param>
    /// <param name="rows">Each by its own parameters.</param>
    /// <param name="logitRows">Rows that the logits have.</param>
    /// <exception cref="ArgumentException">A row asks for what cannot be; nothing was launched.</exception>
    public void Begin(CudaStream stream, DeviceSpan logits, ReadOnlySpan<SamplingRow> rows, int logitRows)
    {
        Prepare(stream, rows, logitRows, rows.Length);
        if (!rows.IsEmpty)
        {
            Launch(stream, logits, rows.Length);
        }

        Return(stream);
    }

    /// <summary>Waits for the results of what began first.</summary>
    /// <param name="results">[its rows]</param>
    public void End(Span<SampledToken> results)
    {
        if (ended == begun)
        {
            throw new InvalidOperationException("No sampling is under way.");
        }

        stagings[ended++ % stagings.Length].Collect(results);
    }

    /// <summary>Brings what rows ask to the device.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="rows">At most <paramref name="launchedRows"/>.</param>
    /// <param name="logitRows">Rows that the logits have.</param>
    /// <param name="launchedRows">Rows that will be launched, at most <see cref="MaxRows"/>; those beyond the given do nothing.</param>
    /// <exception cref="ArgumentException">A row asks for what cannot be; nothing has changed.</exception>
    public void Prepare(CudaStream stream, ReadOnlySpan<SamplingRow> rows, int logitRows, int launchedRows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(launchedRows, MaxRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(launchedRows, rows.Length);
        long words = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            SamplingRowData.Require(rows[i], i, logitRows, Vocabulary);
            words += SamplingLists.Words(rows[i]);
        }

        if (begun - ended == stagings.Length)
        {
            throw new InvalidOperationException($"{stagings.Length} samplings are under way.");
        }

        ClearOnce(stream);
        int turn = (int)(begun % stagings.Length);
        var staging = stagings[turn];
        lists.Begin(stream, turn, words);
        var data = staging.Rows.View<SamplingRowData>(0, launchedRows);
        int top = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            Fill(ref data[i], rows[i], top);
            top += data[i].TopCount;
        }

        for (int i = rows.Length; i < launchedRows; i++)
        {
            data[i] = new SamplingRowData { Flags = SamplingRowData.IsUnused };
        }

        staging.Expect(data[..rows.Length], Vocabulary);
        lists.Upload(stream);
        long bytes = (long)launchedRows * sizeof(SamplingRowData);
        stream.Copy(rowData.Span.Slice(0, bytes), staging.Rows.Span.Slice(0, bytes));
    }

    /// <summary>Gives the launch to the stream.</summary>
    /// <param name="stream">Where.</param>
    /// <param name="logits">[any, vocabulary] fp32.</param>
    /// <param name="launchedRows">At least 1, at most <see cref="MaxRows"/>.</param>
    /// <param name="startsEarly">Programmatic dependent launch.</param>
    public void Launch(CudaStream stream, DeviceSpan logits, int launchedRows, bool startsEarly = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(launchedRows, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(launchedRows, MaxRows);
        kernel.Launch(stream, logits, rowData.Span, resultData.Span, topData.Span, launchedRows, Vocabulary, startsEarly);
    }

    /// <summary>A row without a token leaves its list unwritten, and results come back as one copy, so what was never written
    /// must be something.</summary>
    private void ClearOnce(CudaStream stream)
    {
        if (!cleared)
        {
            stream.Fill(resultData.Span, 0);
            stream.Fill(topData.Span, 0);
            cleared = true;
        }
    }

    /// <summary>Gives the way back of the results to the stream: of the rows that were prepared and launched last.</summary>
    /// <param name="stream">Where they were launched.</param>
    public void Return(CudaStream stream) => stagings[begun++ % stagings.Length].Return(stream, resultData, topData);

    /// <summary>Frees its memory, once the GPU is done with it.</summary>
    public void Dispose()
    {
        freed = true;
        lists?.Dispose();
        foreach (var staging in stagings)
        {
            staging?.Dispose();
        }

        rowData?.Dispose();
        resultData?.Dispose();
        topData?.Dispose();
    }

    private int TopCount(SamplingRow row) => Math.Clamp(row.TopLogprobs, 0, Vocabulary);

    private void Fill(ref SamplingRowData data, SamplingRow row, int top)
    {
        bool scored = row.ScoredToken >= 0;
        int count = TopCount(row);
        data = new SamplingRowData
        {
            LogitRow = row.LogitRow,
            Scored = scored ? row.ScoredToken : -1,
            Flags = (scored || row.Logprobs || count > 0 ? SamplingRowData.WantsLogprob : 0) | (row.Digest ? SamplingRowData.WantsDigest : 0),
            TopCount = count,
            TopFirst = top,
        };
        if (!scored)
        {
            data.SetParameters(row);
            lists.Add(ref data, row);
        }
    }

    /// <summary>Pinned memory of one sampling: on their way there what the rows ask, on their way back what they gave.</summary>
    private sealed class Staging : IDisposable
    {
        private readonly PinnedMemory results;
        private readonly PinnedMemory top;
        private readonly CudaEvent back;
        private readonly int[] topCounts;
        private readonly bool[] digested;
        private int count;
        private int topCount;
        private int vocabulary;

        public Staging(CudaContext context, int maxRows, long topBytes)
        {
            topCounts = new int[maxRows];
            digested = new bool[maxRows];
            try
            {
                Rows = new PinnedMemory(context, (long)maxRows * sizeof(SamplingRowData));
                results = new PinnedMemory(context, (long)maxRows * sizeof(SamplingResult));
                top = new PinnedMemory(context, topBytes);
                back = new CudaEvent(context);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public PinnedMemory Rows { get; }

        /// <summary>Remembers what comes back.</summary>
        public void Expect(ReadOnlySpan<SamplingRowData> rows, int vocabulary)
        {
            (count, topCount, this.vocabulary) = (rows.Length, 0, vocabulary);
            for (int i = 0; i < rows.Length; i++)
            {
                topCounts[i] = rows[i].TopCount;
                topCount += rows[i].TopCount;
                digested[i] = (rows[i].Flags & SamplingRowData.WantsDigest) != 0;
            }
        }

        public void Return(CudaStream stream, DeviceMemory resultData, DeviceMemory topData)
        {
            long bytes = (long)count * sizeof(SamplingResult);
            if (bytes > 0)
            {
                stream.Copy(results.Span.Slice(0, bytes), resultData.Span.Slice(0, bytes));
            }

            bytes = (long)topCount * sizeof(TopToken);
            if (bytes > 0)
            {
                stream.Copy(top.Span.Slice(0, bytes), topData.Span.Slice(0, bytes));
            }

            stream.Record(back);
        }

        public void Collect(Span<SampledToken> destination)
        {
            back.Synchronize();
            ReadOnlySpan<SamplingResult> given = results.View<SamplingResult>(0, count);
            ReadOnlySpan<TopToken> listed = top.View<TopToken>(0, topCount);
            for (int i = 0; i < count; i++)
            {
                bool finite = given[i].NonFinite == 0;
                float logprob = float.IsNaN(given[i].Logprob) ? float.NaN : given[i].Logprob; // a GPU's NaN has another sign
                destination[i] = new SampledToken(given[i].Token, logprob, finite ? Copy(listed[..topCounts[i]]) : [], !finite)
                {
                    Digest = finite && digested[i] ? LogitDigest.Finish(given[i].Digest.First, given[i].Digest.Second, vocabulary) : null,
                };
                listed = listed[topCounts[i]..];
            }
        }

        public void Dispose()
        {
            Rows?.Dispose();
            results?.Dispose();
            top?.Dispose();
            back?.Dispose();
        }

        private static TokenLogprob[] Copy(ReadOnlySpan<TopToken> listed)
        {
            if (listed.IsEmpty)
            {
                return [];
            }

            var top = new TokenLogprob[listed.Length];
            for (int i = 0; i < top.Length; i++)
            {
                top[i] = new TokenLogprob(listed[i].Token, listed[i].Logprob);
            }

            return top;
        }
    }
}
