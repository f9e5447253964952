using Grid.Models.Architectures.Decoder;
using Grid.Models.Configuration;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3;

/// <summary>Qwen3 (dense): normalised query and key heads, and a SiLU-gated MLP.</summary>
internal static class Qwen3Architecture
{
    /// <summary>What config.json calls it, and what to do with it.</summary>
    public static Architecture Definition { get; } = new("Qwen3ForCausalLM", "qwen3", ReadConfig, Load);

    private static ModelConfig ReadConfig(JsonFields fields)
    {
        var config = DecoderConfigReader.Read(
            fields, Definition.Name, new DecoderDefaults(MaxPositions: 32768) { KvHeads = 32, HeadDim = 128 });
        fields.Skip("sliding_window", "max_window_layers"); // say nothing while use_sliding_window is false
        return config;
    }

    private static DecoderModel Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows)
    {
        var weights = DecoderWeights.Load(
            config, loader, new AttentionParts { HeadNorms = true }, new GatedMlpLoader(config, operations, maxRows));
        return new DecoderModel(config, weights, operations, maxRows);
    }
}
