using Grid.Cuda.Driver;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>
/// The tokens whose logits rows adjust: 32-bit words in pinned memory and on the device. Rows name their place by its address, so
/// the room may grow while a graph holds the launch.
/// </summary>
internal sealed unsafe class SamplingLists(CudaContext context) : IDisposable
{
    private const int FirstWords = 1 << 16;

    // Two, because a sampling may be prepared while the one before it is on its way.
    private readonly PinnedMemory[] stagings = [new(context, FirstWords * sizeof(int)), new(context, FirstWords * sizeof(int))];
    private DeviceMemory device = new(context, FirstWords * sizeof(int));
    private int turn;
    private int used;

    /// <summary>Words that a row needs.</summary>
    public static long Words(SamplingRow row)
    {
        if (row.ScoredToken >= 0)
        {
            return 0;
        }

        var history = row.PenalisedHistory;
        int perToken = history is not null && Counts(row.Parameters) ? 2 : 1;
        return (2L * row.Parameters.LogitBias.Count) + ((long)perToken * (history?.TokenSpan.Length ?? 0)) + row.BannedTokens.Length;
    }

    /// <summary>Begins empty lists and makes room. The results of those begun in the turn before the last, the same as this, have come
    /// back.</summary>
    public void Begin(CudaStream stream, int turn, long words)
    {
        (this.turn, used) = (turn, 0);
        long bytes = Math.Max(words * sizeof(int), device.Bytes);
        if (bytes > device.Bytes)
        {
            bytes = Math.Max(bytes, 2 * device.Bytes);
            stream.Synchronize();
            var larger = new DeviceMemory(context, bytes);
            device.Dispose();
            device = larger;
        }

        if (bytes > stagings[turn].Bytes)
        {
            var larger = new PinnedMemory(context, bytes);
            stagings[turn].Dispose();
            stagings[turn] = larger;
        }
    }

    /// <summary>Adds a row's lists and tells the row where they are.</summary>
    public void Add(ref SamplingRowData data, SamplingRow row)
    {
        data.Lists = device.Span.Start + ((long)used * sizeof(int));
        var biases = row.Parameters.LogitBias;
        data.Biases = biases.Count;
        var words = Next(2 * biases.Count);
        for (int i = 0; i < biases.Count; i++)
        {
            var bias = biases[i];
            words[i] = bias.TokenId;
            words[biases.Count + i] = BitConverter.SingleToInt32Bits(bias.Bias);
        }

        if (row.PenalisedHistory is { } history)
        {
            var tokens = history.TokenSpan;
            data.History = tokens.Length;
            tokens.CopyTo(Next(tokens.Length));
            if (Counts(row.Parameters))
            {
                data.Counts = tokens.Length;
                history.OutputCountSpan.CopyTo(Next(tokens.Length));
            }
        }

        data.Banned = row.BannedTokens.Length;
        row.BannedTokens.CopyTo(Next(row.BannedTokens.Length));
    }

    /// <summary>Copies what was added.</summary>
    public void Upload(CudaStream stream)
    {
        if (used > 0)
        {
            long bytes = (long)used * sizeof(int);
            stream.Copy(device.Span.Slice(0, bytes), stagings[turn].Span.Slice(0, bytes));
        }
    }

    public void Dispose()
    {
        foreach (var staging in stagings)
        {
            staging.Dispose();
        }

        device.Dispose();
    }

    // Whether a penalty depends on how often a token was put out.
    private static bool Counts(SamplingParameters parameters) =>
        parameters.FrequencyPenalty != 0f || parameters.PresencePenalty != 0f;

    private Span<int> Next(int words)
    {
        var next = stagings[turn].View<int>(used, words);
        used += words;
        return next;
    }
}
