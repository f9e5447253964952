using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3;

/// <summary>One decoder layer's weights. Shapes: D hidden size, I intermediate size, H query heads, G key/value heads,
/// d head size.</summary>
/// <param name="InputNorm">[D]</param>
/// <param name="QueryKeyValue">[(H + 2 G) d, D]: q_proj, k_proj and v_proj stacked.</param>
/// <param name="QueryNorm">[d], shared by all query heads.</param>
/// <param name="KeyNorm">[d], shared by all key heads.</param>
/// <param name="AttentionOutput">[D, H d]</param>
/// <param name="PostAttentionNorm">[D]</param>
/// <param name="GateUp">gate_proj and up_proj, [I, D] each.</param>
/// <param name="Down">[D, I]</param>
internal sealed record Qwen3Layer(
    WeightVector InputNorm, WeightMatrix QueryKeyValue, WeightVector QueryNorm, WeightVector KeyNorm,
    WeightMatrix AttentionOutput, WeightVector PostAttentionNorm, WeightMatrix GateUp, WeightMatrix Down);

/// <summary>All weights of a Qwen3 model. With tied embeddings Head is Embedding itself.</summary>
/// <param name="Embedding">[vocabulary, D]</param>
/// <param name="Layers">The decoder layers in order.</param>
/// <param name="FinalNorm">[D]</param>
/// <param name="Head">[vocabulary, D]</param>
internal sealed record Qwen3Weights(
    WeightMatrix Embedding, IReadOnlyList<Qwen3Layer> Layers, WeightVector FinalNorm, WeightMatrix Head) : IDisposable
{
    private const string EmbeddingName = "model.embed_tokens.weight";
    private const string HeadName = "lm_head.weight";

    /// <summary>Uploads everything, by the checkpoint's names.</summary>
    public static Qwen3Weights Load(ModelConfig config, WeightLoader loader)
    {
        var layers = new List<Qwen3Layer>();
        WeightMatrix embedding = loader.Matrix(EmbeddingName, config.VocabularySize, config.HiddenSize);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            layers.Add(LoadLayer(config, loader, $"model.layers.{layer}"));
        }

        WeightVector finalNorm = loader.Vector("model.norm.weight", config.HiddenSize);
        return new Qwen3Weights(embedding, layers, finalNorm, LoadHead(config, loader, embedding));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Embedding.Dispose();
        foreach (Qwen3Layer layer in Layers)
        {
            layer.QueryKeyValue.Dispose();
            layer.AttentionOutput.Dispose();
            layer.GateUp.Dispose();
            layer.Down.Dispose();
        }

        if (!ReferenceEquals(Head, Embedding))
        {
            Head.Dispose();
        }
    }

    private static Qwen3Layer LoadLayer(ModelConfig config, WeightLoader loader, string prefix)
    {
        int hidden = config.HiddenSize;
        int queryRows = config.QueryHeads * config.HeadDim;
        int keyRows = config.KvHeads * config.HeadDim;
        return new Qwen3Layer(
            loader.Vector($"{prefix}.input_layernorm.weight", hidden),
            loader.StackedMatrix(hidden,
                ($"{prefix}.self_attn.q_proj.weight", queryRows),
                ($"{prefix}.self_attn.k_proj.weight", keyRows),
                ($"{prefix}.self_attn.v_proj.weight", keyRows)),
            loader.Vector($"{prefix}.self_attn.q_norm.weight", config.HeadDim),
            loader.Vector($"{prefix}.self_attn.k_norm.weight", config.HeadDim),
            loader.Matrix($"{prefix}.self_attn.o_proj.weight", hidden, queryRows),
            loader.Vector($"{prefix}.post_attention_layernorm.weight", hidden),
            loader.GatedMatrix($"{prefix}.mlp.gate_proj.weight", $"{prefix}.mlp.up_proj.weight", config.IntermediateSize, hidden),
            loader.Matrix($"{prefix}.mlp.down_proj.weight", hidden, config.IntermediateSize));
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
