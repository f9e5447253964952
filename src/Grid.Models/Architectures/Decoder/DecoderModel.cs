using System.Runtime.CompilerServices;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Decoder;

/// <summary>
/// The pre-norm decoder that Qwen, Llama and Mistral models share: layers of grouped-query attention with rotary
/// embeddings (and RMS-normalised query and key heads where the architecture has them), each followed by a feed-forward.
/// </summary>
public sealed class DecoderModel : ICausalLanguageModel
{
    private readonly IOperations _operations;
    private readonly DecoderWeights _weights;
    private readonly RotaryTable _rotary;
    private readonly AttentionSpec _attentionSpec;

    // One pass for each KV cache, by which the device recognises it.
    private readonly ConditionalWeakTable<KvCache, Action> _passes = [];
    private readonly ConditionalWeakTable<KvCache, Action>.CreateValueCallback _createPass;

    // Working memory, [MaxRows, ...] each. A feed-forward has its own.
    private readonly Activation _residual;   // [hidden]: the stream that every layer adds to
    private readonly Activation _normalized; // [hidden]: a norm's output, at the end the final hidden state
    private readonly Activation _qkv;        // [(query heads + 2 kv heads) * head size]
    private readonly Activation _attention;  // [query heads * head size]

    internal DecoderModel(ModelConfig config, DecoderWeights weights, IOperations operations, int maxRows)
    {
        Config = config;
        MaxRows = maxRows;
        _operations = operations;
        _weights = weights;
        var rotary = RotaryEmbedding.Compute(config.MaxPositions, config.HeadDim, config.RopeTheta, config.RopeScaling);
        _rotary = operations.UploadRotary(rotary.Cos, rotary.Sin, rotary.Positions, rotary.HeadDim);
        _attentionSpec = new AttentionSpec(config.QueryHeads, (float)(1.0 / Math.Sqrt(config.HeadDim)));
        _residual = operations.AllocateActivation(maxRows, config.HiddenSize);
        _normalized = operations.AllocateActivation(maxRows, config.HiddenSize);
        _qkv = operations.AllocateActivation(maxRows, (config.QueryHeads + 2 * config.KvHeads) * config.HeadDim);
        _attention = operations.AllocateActivation(maxRows, config.QueryHeads * config.HeadDim);
        _createPass = cache => () => Pass(cache);
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
        if (HiddenStateObserver is null)
        {
            _operations.RunStep(batch, _passes.GetValue(cache, _createPass));
        }
        else
        {
            // Observers read in the middle of the pass, so it cannot be a recorded one.
            _operations.BeginStep(batch);
            Pass(cache);
        }
    }

    /// <inheritdoc/>
    public void ComputeLogits(int first, int count, LogitsBuffer logits) =>
        _operations.Project(_normalized, RowList.Logits(first, count), _weights.Head, Epilogue.Raw(logits));

    /// <inheritdoc/>
    public void Dispose() => _weights.Dispose();

    /// <summary>All layers and the final norm, for the rows of the step.</summary>
    private void Pass(KvCache cache)
    {
        _operations.Embed(_weights.Embedding, _residual);
        HiddenStateObserver?.Invoke(0, _residual);
        for (int i = 0; i < Config.Layers; i++)
        {
            Attention(_weights.Layers[i], cache, i);
            FeedForward(_weights.Layers[i]);
            HiddenStateObserver?.Invoke(i + 1, _residual);
        }

        _operations.RmsNorm(_residual, Norm(_weights.FinalNorm), _normalized);
        HiddenStateObserver?.Invoke(Config.Layers + 1, _normalized);
    }

    /// <summary>residual += o_proj(attention(rotate(norm(qkv_proj(norm(residual))))))</summary>
    private void Attention(DecoderLayer layer, KvCache cache, int index)
    {
        _operations.RmsNorm(_residual, Norm(layer.InputNorm), _normalized);
        _operations.Project(_normalized, RowList.All, layer.QueryKeyValue, Epilogue.Store(_qkv) with { Bias = layer.QueryKeyValueBias });
        var pages = new KvLayer(cache, index);
        var rotary = new RotarySpec(Config.QueryHeads, _rotary)
        {
            QueryNorm = layer.QueryNorm,
            KeyNorm = layer.KeyNorm,
            Epsilon = Config.NormEpsilon,
        };
        _operations.RotateAndStore(_qkv, rotary, pages);
        _operations.Attend(_qkv, _attentionSpec, pages, _attention);
        _operations.Project(_attention, RowList.All, layer.AttentionOutput, Epilogue.AddTo(_residual));
    }

    /// <summary>residual += feed_forward(norm(residual))</summary>
    private void FeedForward(DecoderLayer layer)
    {
        _operations.RmsNorm(_residual, Norm(layer.PostAttentionNorm), _normalized);
        layer.FeedForward.AddTo(_residual, _normalized);
    }

    private NormSpec Norm(WeightVector weight) => new(weight, Config.NormEpsilon);
}
