using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3;

/// <summary>Qwen3 (dense): normalised query and key heads, and a SiLU-gated MLP.</summary>
internal static class Qwen3Architecture
{
    /// <summary>config.json's architectures[0].</summary>
    public const string Name = "Qwen3ForCausalLM";

    /// <summary>config.json's model_type.</summary>
    public const string ModelType = "qwen3";

    /// <summary>Uploads the weights and allocates working memory for maxRows rows.</summary>
    public static DecoderModel Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows)
    {
        var weights = DecoderWeights.Load(
            config, loader, new AttentionParts { HeadNorms = true }, new GatedMlpLoader(config, operations, maxRows));
        return new DecoderModel(config, weights, operations, maxRows);
    }
}
