using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3;

/// <summary>
/// Qwen3 (dense): pre-norm decoder layers with grouped-query attention, RMS-normalised query and key heads, rotary
/// embeddings and a SiLU-gated MLP.
/// </summary>
public sealed class Qwen3Model : ICausalLanguageModel
{
    /// <summary>config.json's architectures[0].</summary>
    public const string Architecture = "Qwen3ForCausalLM";

    private readonly IOperations _operations;
    private readonly Qwen3Weights _weights;
    private readonly RotaryTable _rotary;
    private readonly float _attentionScale;

    // Working memory, [MaxRows, ...] each.
    private readonly Activation _residual;   // [hidden]: the stream that every layer adds to
    private readonly Activation _normalized; // [hidden]: a norm's output, at the end the final hidden state
    private readonly Activation _qkv;        // [(query heads + 2 kv heads) * head size]
    private readonly Activation _attention;  // [query heads * head size]
    private readonly Activation _gated;      // [intermediate]

    private Qwen3Model(ModelConfig config, Qwen3Weights weights, IOperations operations, int maxRows)
    {
        Config = config;
        MaxRows = maxRows;
        _operations = operations;
        _weights = weights;
        var rotary = RotaryEmbedding.Compute(config.MaxPositions, config.HeadDim, config.RopeTheta);
        _rotary = operations.UploadRotary(rotary.Cos, rotary.Sin, rotary.Positions, rotary.HeadDim);
        _attentionScale = (float)(1.0 / Math.Sqrt(config.HeadDim));
        _residual = operations.AllocateActivation(maxRows, config.HiddenSize);
        _normalized = operations.AllocateActivation(maxRows, config.HiddenSize);
        _qkv = operations.AllocateActivation(maxRows, (config.QueryHeads + 2 * config.KvHeads) * config.HeadDim);
        _attention = operations.AllocateActivation(maxRows, config.QueryHeads * config.HeadDim);
        _gated = operations.AllocateActivation(maxRows, config.IntermediateSize);
    }

    /// <inheritdoc/>
    public ModelConfig Config { get; }

    /// <inheritdoc/>
    public int MaxRows { get; }

    /// <inheritdoc/>
    public long KvPageBytes => _operations.KvPageBytes(Config.Layers, Config.KvHeads, Config.HeadDim);

    /// <summary>
    /// Shown every hidden state of a pass, for tests and tools: index 0 is the embedding, index i the residual stream
    /// after layer i (counted from 1), and index Layers + 1 the final norm's output.
    /// </summary>
    public Action<int, Activation>? HiddenStateObserver { get; set; }

    /// <inheritdoc/>
    public KvCache AllocateKvCache(int pages) =>
        _operations.AllocateKvCache(Config.Layers, Config.KvHeads, Config.HeadDim, pages);

    /// <inheritdoc/>
    public void Forward(BatchLayout batch, KvCache cache)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.RowCount, MaxRows);
        _operations.BeginStep(batch);
        _operations.Embed(_weights.Embedding, _residual);
        HiddenStateObserver?.Invoke(0, _residual);
        for (int i = 0; i < Config.Layers; i++)
        {
            Attention(_weights.Layers[i], cache, i);
            Mlp(_weights.Layers[i]);
            HiddenStateObserver?.Invoke(i + 1, _residual);
        }

        _operations.RmsNorm(_residual, _weights.FinalNorm, Config.NormEpsilon, _normalized);
        HiddenStateObserver?.Invoke(Config.Layers + 1, _normalized);
    }

    /// <inheritdoc/>
    public void ComputeLogits(int first, int count, LogitsBuffer logits) =>
        _operations.ComputeLogits(_normalized, _weights.Head, first, count, logits);

    /// <inheritdoc/>
    public void Dispose() => _weights.Dispose();

    /// <summary>Uploads the weights and allocates working memory for maxRows rows.</summary>
    internal static Qwen3Model Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows) =>
        new(config, Qwen3Weights.Load(config, loader), operations, maxRows);

    /// <summary>residual += o_proj(attention(rotate(norm(qkv_proj(norm(residual))))))</summary>
    private void Attention(Qwen3Layer layer, KvCache cache, int index)
    {
        _operations.RmsNorm(_residual, layer.InputNorm, Config.NormEpsilon, _normalized);
        _operations.Project(_normalized, layer.QueryKeyValue, _qkv);
        _operations.RotateAndStore(
            _qkv, Config.QueryHeads, layer.QueryNorm, layer.KeyNorm, Config.NormEpsilon, _rotary, cache, index);
        _operations.Attend(_qkv, Config.QueryHeads, _attentionScale, cache, index, _attention);
        _operations.ProjectAdd(_attention, layer.AttentionOutput, _residual);
    }

    /// <summary>residual += down_proj(silu(gate_proj(h)) * up_proj(h)) with h = norm(residual)</summary>
    private void Mlp(Qwen3Layer layer)
    {
        _operations.RmsNorm(_residual, layer.PostAttentionNorm, Config.NormEpsilon, _normalized);
        _operations.ProjectGatedSilu(_normalized, layer.GateUp, _gated);
        _operations.ProjectAdd(_gated, layer.Down, _residual);
    }
}
