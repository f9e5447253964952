using Grid.Options;

namespace Grid.Silo.Options;

/// <summary>What a kind of device does where the options do not say.</summary>
/// <param name="MaxBatchTokens">Rows (tokens) in one forward pass at most.</param>
/// <param name="ChunkedPrefillSize">Prompt rows of one sequence in one step at most.</param>
/// <param name="MaxRunningRequests">Sequences running at once at most.</param>
public sealed record DeviceDefaults(int MaxBatchTokens, int ChunkedPrefillSize, int MaxRunningRequests)
{
    /// <summary>Share of a GPU's free memory for weights, working memory and KV cache together. The rest is for the driver,
    /// graphs and the scratch memory of kernels.</summary>
    public const double MemFractionStatic = 0.9;

    /// <summary>A CPU: small steps, so that tokens come steadily.</summary>
    public static DeviceDefaults Cpu { get; } = new(256, 128, 128);

    /// <summary>A GPU: a chunk of prompt fills it, and decoding is worth the more the more sequences share the weights' way
    /// through the memory. Larger steps gain nothing for dense models, 2 % for mixtures of experts, and every sequence that
    /// decodes waits twice as long for them (MEASURED.md has the measurements).</summary>
    public static DeviceDefaults Cuda { get; } = new(2048, 2048, 512);

    /// <summary>The defaults of a kind.</summary>
    public static DeviceDefaults Of(DeviceKind kind) => kind == DeviceKind.Cuda ? Cuda : Cpu;

    /// <summary>The options' values, and these where they have none.</summary>
    public DeviceDefaults With(NodeOptions options)
    {
        int batch = options.MaxBatchTokens ?? MaxBatchTokens;
        int chunk = options.ChunkedPrefillSize switch { null => ChunkedPrefillSize, NumberOrNoneOptionAttribute.None => batch, var given => given.Value };
        return new(batch, chunk, options.MaxRunningRequests ?? MaxRunningRequests);
    }
}
