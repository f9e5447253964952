using Grid.Models.Architectures.Decoder;
using Grid.Models.Configuration;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Llama;

/// <summary>Llama 2 and 3, and the many models that are built alike: the decoder without anything added.</summary>
internal static class LlamaArchitecture
{
    /// <summary>What config.json calls it, and what to do with it.</summary>
    public static Architecture Definition { get; } = new("LlamaForCausalLM", "llama", ReadConfig, Load);

    private static ModelConfig ReadConfig(JsonFields fields) =>
        DecoderConfigReader.Read(fields, Definition.Name, new DecoderDefaults(MaxPositions: 2048));

    private static DecoderModel Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows)
    {
        var weights = DecoderWeights.Load(config, loader, new AttentionParts(), new GatedMlpLoader(config, operations, maxRows));
        return new DecoderModel(config, weights, operations, maxRows);
    }
}
