using Grid.Models.Architectures.Llama;
using Grid.Models.Architectures.Mistral;
using Grid.Models.Architectures.Qwen2;
using Grid.Models.Architectures.Qwen3;
using Grid.Models.Architectures.Qwen3Moe;
using Grid.Models.Configuration;
using Grid.Models.Operations;

namespace Grid.Models.Architectures;

/// <summary>An architecture with a forward pass.</summary>
/// <param name="Name">config.json's architectures[0].</param>
/// <param name="ModelType">config.json's model_type.</param>
/// <param name="ReadConfig">Reads and checks the fields of config.json that the architecture has; end tokens are read by
/// the caller.</param>
/// <param name="Load">Uploads the weights and prepares the forward pass.</param>
internal sealed record Architecture(
    string Name, string ModelType, Func<JsonFields, ModelConfig> ReadConfig, LoadArchitecture Load);

/// <summary>Uploads an architecture's weights and prepares its forward pass for maxRows rows.</summary>
internal delegate ICausalLanguageModel LoadArchitecture(ModelConfig config, WeightLoader weights, IOperations operations, int maxRows);

/// <summary>The architectures with a forward pass. A new one is added here.</summary>
internal static class SupportedArchitectures
{
    private static readonly Architecture[] s_all =
    [
        LlamaArchitecture.Definition,
        MistralArchitecture.Definition,
        Qwen2Architecture.Definition,
        Qwen3Architecture.Definition,
        Qwen3MoeArchitecture.Definition,
    ];

    /// <summary>All names, for messages.</summary>
    public static string Names => string.Join(", ", s_all.Select(a => a.Name));

    /// <summary>The architecture of a name; null when it is not supported.</summary>
    public static Architecture? Find(string name) => Array.Find(s_all, a => a.Name == name);

    /// <summary>Loads a supported architecture.</summary>
    public static ICausalLanguageModel Load(ModelConfig config, WeightLoader weights, IOperations operations, int maxRows) =>
        Array.Find(s_all, a => a.Name == config.Architecture)!.Load(config, weights, operations, maxRows);
}
