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

    private PinnedMemory staged = new(context, FirstWords * sizeof(int));
    private DeviceMemory device = new(context, FirstWords * sizeof(int));
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

    /// <summary>Empties the lists and makes room. Nothing on the stream may still read them.</summary>
    public void Begin(CudaStream stream, long words)
    {
        used = 0;
        if (words * sizeof(int) > staged.Bytes)
        {
            long bytes = Math.Max(words * sizeof(int), 2 * staged.Bytes);
            stream.Synchronize();
            var largerDevice = new DeviceMemory(context, bytes);
            device.Dispose();
            device = largerDevice;
            var largerStaged = new PinnedMemory(context, bytes);
            staged.Dispose();
            staged = largerStaged;
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
            stream.Copy(device.Span.Slice(0, bytes), staged.Span.Slice(0, bytes));
        }
    }

    public void Dispose()
    {
        staged.Dispose();
        device.Dispose();
    }

    // Whether a penalty depends on how often a token was put out.
    private static bool Counts(SamplingParameters parameters) =>
        parameters.FrequencyPenalty != 0f || parameters.PresencePenalty != 0f;

    private Span<int> Next(int words)
    {
        var next = staged.View<int>(used, words);
        used += words;
        return next;
    }
}
