using Grid.Models.Architectures.Decoder;
using Grid.Models.Configuration;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Mistral;

/// <summary>Mistral as far as its window covers the whole context: then it is the decoder without anything added.</summary>
internal static class MistralArchitecture
{
    // transformers' window where the field is absent; null means none.
    private const int DefaultWindow = 4096;

    /// <summary>What config.json calls it, and what to do with it.</summary>
    public static Architecture Definition { get; } = new("MistralForCausalLM", "mistral", ReadConfig, Load);

    private static ModelConfig ReadConfig(JsonFields fields)
    {
        var config = DecoderConfigReader.Read(
            fields, Definition.Name, new DecoderDefaults(MaxPositions: 131072) { KvHeads = 8 });
        CheckWindow(fields, config.MaxPositions);
        return config;
    }

    private static DecoderModel Load(ModelConfig config, WeightLoader loader, IOperations operations, int maxRows)
    {
        var weights = DecoderWeights.Load(config, loader, new AttentionParts(), new GatedMlpLoader(config, operations, maxRows));
        return new DecoderModel(config, weights, operations, maxRows);
    }

    private static void CheckWindow(JsonFields fields, int maxPositions)
    {
        var value = fields.Find("sliding_window");
        if (value is null && fields.IsPresent("sliding_window"))
        {
            return;
        }

        int window = fields.Count("sliding_window", int.MaxValue, DefaultWindow);
        if (window < maxPositions)
        {
            throw fields.Error("sliding_window", value is null ? $"absent, which means {DefaultWindow}" : $"{window}",
                $"a window smaller than the context is not supported: lower max_position_embeddings ({maxPositions}) to {window}, which"
                + " gives the same results up to that length, or take a release whose sliding_window is null (7B v0.2 and later)");
        }
    }
}
