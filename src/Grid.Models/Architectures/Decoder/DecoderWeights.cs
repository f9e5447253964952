using Grid.Models.Operations;

namespace Grid.Models.Architectures.Decoder;

/// <summary>One decoder layer's weights. Shapes: D hidden size, H query heads, G key/value heads, d head size.</summary>
/// <param name="InputNorm">[D]</param>
/// <param name="QueryKeyValue">[(H + 2 G) d, D]: q_proj, k_proj and v_proj stacked.</param>
/// <param name="QueryKeyValueBias">[(H + 2 G) d], stacked alike; null where the architecture has none.</param>
/// <param name="QueryNorm">[d], shared by all query heads; null where the architecture has none.</param>
/// <param name="KeyNorm">[d], shared by all key heads; null where the architecture has none.</param>
/// <param name="AttentionOutput">[D, H d]</param>
/// <param name="PostAttentionNorm">[D]</param>
/// <param name="FeedForward">What follows the attention.</param>
internal sealed record DecoderLayer(
    WeightVector InputNorm, WeightMatrix QueryKeyValue, WeightVector? QueryKeyValueBias, WeightVector? QueryNorm,
    WeightVector? KeyNorm, WeightMatrix AttentionOutput, WeightVector PostAttentionNorm, IFeedForward FeedForward) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        QueryKeyValue.Dispose();
        AttentionOutput.Dispose();
        FeedForward.Dispose();
    }
}

/// <summary>What the attention of an architecture has beyond the four projections.</summary>
internal sealed record AttentionParts
{
    /// <summary>q_norm and k_norm: an RMSNorm of every query and key head before the rotation.</summary>
    public bool HeadNorms { get; init; }

    /// <summary>A bias on q_proj, k_proj and v_proj.</summary>
    public bool QueryKeyValueBias { get; init; }
}

/// <summary>All weights of a decoder model. With tied embeddings Head is Embedding itself.</summary>
/// <param name="Embedding">[vocabulary, D]</param>
/// <param name="Layers">The decoder layers in order.</param>
/// <param name="FinalNorm">[D]</param>
/// <param name="Head">[vocabulary, D]</param>
internal sealed record DecoderWeights(
    WeightMatrix Embedding, IReadOnlyList<DecoderLayer> Layers, WeightVector FinalNorm, WeightMatrix Head) : IDisposable
{
    private const string EmbeddingName = "model.embed_tokens.weight";
    private const string HeadName = "lm_head.weight";

    /// <summary>Uploads everything, by the names that these architectures share.</summary>
    public static DecoderWeights Load(ModelConfig config, WeightLoader loader, AttentionParts parts, IFeedForwardLoader feedForwards)
    {
        var layers = new List<DecoderLayer>();
        var embedding = loader.Matrix(EmbeddingName, config.VocabularySize, config.HiddenSize);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            layers.Add(LoadLayer(config, loader, parts, feedForwards, layer));
        }

        var finalNorm = loader.Vector("model.norm.weight", config.HiddenSize);
        return new DecoderWeights(embedding, layers, finalNorm, LoadHead(config, loader, embedding));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Embedding.Dispose();
        foreach (var layer in Layers)
        {
            layer.Dispose();
        }

        if (!ReferenceEquals(Head, Embedding))
        {
            Head.Dispose();
        }
    }

    private static DecoderLayer LoadLayer(
        ModelConfig config, WeightLoader loader, AttentionParts parts, IFeedForwardLoader feedForwards, int layer)
    {
        string prefix = $"model.layers.{layer}";
        string attention = $"{prefix}.self_attn";
        int hidden = config.HiddenSize;
        int queryRows = config.QueryHeads * config.HeadDim;
        int keyRows = config.KvHeads * config.HeadDim;
        loader.AcceptComputed($"{attention}.rotary_emb.inv_freq"); // early Llama checkpoints have it
        return new DecoderLayer(
            loader.Vector($"{prefix}.input_layernorm.weight", hidden),
            loader.StackedMatrix(hidden,
                ($"{attention}.q_proj.weight", queryRows),
                ($"{attention}.k_proj.weight", keyRows),
                ($"{attention}.v_proj.weight", keyRows)),
            parts.QueryKeyValueBias
                ? loader.StackedVector(
                    ($"{attention}.q_proj.bias", queryRows), ($"{attention}.k_proj.bias", keyRows), ($"{attention}.v_proj.bias", keyRows))
                : null,
            parts.HeadNorms ? loader.Vector($"{attention}.q_norm.weight", config.HeadDim) : null,
            parts.HeadNorms ? loader.Vector($"{attention}.k_norm.weight", config.HeadDim) : null,
            loader.Matrix($"{attention}.o_proj.weight", hidden, queryRows),
            loader.Vector($"{prefix}.post_attention_layernorm.weight", hidden),
            feedForwards.Load(loader, layer, $"{prefix}.mlp"));
    }

    private static WeightMatrix LoadHead(ModelConfig config, WeightLoader loader, WeightMatrix embedding)
    {
        if (!config.TiedEmbeddings)
        {
            return loader.Matrix(HeadName, config.VocabularySize, config.HiddenSize);
        }

        loader.AcceptCopy(HeadName, EmbeddingName);
        return embedding;
    }
}
