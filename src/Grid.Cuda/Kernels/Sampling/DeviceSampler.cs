using Grid.Cuda.Driver;
using Grid.Models.Operations;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>
/// Samples and scores rows of logits in device memory with the bits of <see cref="Grid.Numerics.SamplerReference"/> and
/// <see cref="Grid.Numerics.LogprobReference"/>. Each row has its own parameters and touches no other. What rows ask goes up in one
/// copy, or two when there are lists; tokens and asked-for logprobs come back, nothing else. Memory is allocated once, except
/// that the room for lists (biases, histories, bans) grows when a step needs more than any before.
/// </summary>
/// <remarks>For one stream at a time. <see cref="Prepare"/>, <see cref="Launch"/> and <see cref="Collect"/>, in this order, are the
/// parts of <see cref="Sample"/>; a graph may hold the launch.</remarks>
internal sealed unsafe class DeviceSampler : IDisposable
{
    /// <summary>The most tokens of a vocabulary.</summary>
    public const int MaxVocabulary = SamplingKernel.MaxVocabulary;

    /// <summary>The largest <see cref="SamplingRow.TopLogprobs"/>.</summary>
    public const int MaxTopLogprobs = SamplingKernel.MaxTopTokens;

    private readonly SamplingKernel kernel;
    private readonly SamplingLists lists;
    private readonly PinnedMemory stagedRows;
    private readonly PinnedMemory stagedResults;
    private readonly PinnedMemory stagedTop;
    private readonly DeviceMemory rowData;
    private readonly DeviceMemory resultData;
    private readonly DeviceMemory topData;
    private bool cleared;

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
            stagedRows = new PinnedMemory(context, (long)maxRows * sizeof(SamplingRowData));
            stagedResults = new PinnedMemory(context, (long)maxRows * sizeof(SamplingResult));
            stagedTop = new PinnedMemory(context, topBytes);
            rowData = new DeviceMemory(context, stagedRows.Bytes);
            resultData = new DeviceMemory(context, stagedResults.Bytes);
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
            var group = rows.Slice(first, count);
            Prepare(stream, group, logitRows, count);
            Launch(stream, logits, count);
            Collect(stream, group, results.Slice(first, count));
        }
    }

    /// <summary>Brings what rows ask to the device. The results of rows prepared before have been collected.</summary>
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

        ClearOnce(stream);
        lists.Begin(stream, words);
        var data = stagedRows.View<SamplingRowData>(0, launchedRows);
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

        lists.Upload(stream);
        long bytes = (long)launchedRows * sizeof(SamplingRowData);
        stream.Copy(rowData.Span.Slice(0, bytes), stagedRows.Span.Slice(0, bytes));
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

    /// <summary>Waits for the results of the rows that were prepared and launched last.</summary>
    /// <param name="stream">Where they were launched.</param>
    /// <param name="rows">The same.</param>
    /// <param name="results">[rows]</param>
    public void Collect(CudaStream stream, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        if (rows.IsEmpty)
        {
            return;
        }

        int top = 0;
        foreach (var row in rows)
        {
            top += TopCount(row);
        }

        long bytes = (long)rows.Length * sizeof(SamplingResult);
        stream.Copy(stagedResults.Span.Slice(0, bytes), resultData.Span.Slice(0, bytes));
        if (top > 0)
        {
            bytes = (long)top * sizeof(TopToken);
            stream.Copy(stagedTop.Span.Slice(0, bytes), topData.Span.Slice(0, bytes));
        }

        stream.Synchronize();
        ReadOnlySpan<SamplingResult> given = stagedResults.View<SamplingResult>(0, rows.Length);
        ReadOnlySpan<TopToken> listed = stagedTop.View<TopToken>(0, top);
        for (int i = 0; i < rows.Length; i++)
        {
            int count = TopCount(rows[i]);
            bool finite = given[i].NonFinite == 0;
            float logprob = float.IsNaN(given[i].Logprob) ? float.NaN : given[i].Logprob; // a GPU's NaN has another sign
            results[i] = new SampledToken(given[i].Token, logprob, finite ? Copy(listed[..count]) : [], !finite);
            listed = listed[count..];
        }
    }

    /// <summary>Frees its memory, once the GPU is done with it.</summary>
    public void Dispose()
    {
        lists?.Dispose();
        stagedRows?.Dispose();
        stagedResults?.Dispose();
        stagedTop?.Dispose();
        rowData?.Dispose();
        resultData?.Dispose();
        topData?.Dispose();
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

    private int TopCount(SamplingRow row) => Math.Clamp(row.TopLogprobs, 0, Vocabulary);

    private void Fill(ref SamplingRowData data, SamplingRow row, int top)
    {
        bool scored = row.ScoredToken >= 0;
        int count = TopCount(row);
        data = new SamplingRowData
        {
            LogitRow = row.LogitRow,
            Scored = scored ? row.ScoredToken : -1,
            Flags = scored || row.Logprobs || count > 0 ? SamplingRowData.WantsLogprob : 0,
            TopCount = count,
            TopFirst = top,
        };
        if (!scored)
        {
            data.SetParameters(row);
            lists.Add(ref data, row);
        }
    }
}
