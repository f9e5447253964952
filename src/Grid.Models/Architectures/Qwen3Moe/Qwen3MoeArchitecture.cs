using Grid.Models.Architectures.Decoder;
using Grid.Models.Configuration;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3Moe;

/// <summary>Qwen3-MoE: Qwen3 whose feed-forwards are mixtures of experts, in all layers or in some.</summary>
internal static class Qwen3MoeArchitecture
{
    /// <summary>What config.json calls it, and what to do with it.</summary>
    public static Architecture Definition { get; } = new("Qwen3MoeForCausalLM", "qwen3_moe", ReadConfig, Load);

    private static ModelConfig ReadConfig(JsonFields fields)
    {
        var config = DecoderConfigReader.Read(
            fields, Definition.Name, new DecoderDefaults(MaxPositions: 32768) { KvHeads = 4 });
        config = config with { Experts = ExpertConfigReader.Read(fields, config.Layers) };
        fields.Skip("sliding_window", "max_window_layers"); // say nothing while use_sliding_window is false
        fields.Skip("router_aux_loss_coef", "output_router_logits"); // of training
        return config;
    }

    private static DecoderModel Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows)
    {
        var weights = DecoderWeights.Load(
            config, loader, new AttentionParts { HeadNorms = true },
            new MixtureOfExpertsLoader(config, config.Experts!, operations, maxRows));
        return new DecoderModel(config, weights, operations, maxRows);
    }
}
