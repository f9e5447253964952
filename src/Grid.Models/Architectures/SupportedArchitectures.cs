using Grid.Models.Architectures.Qwen3;
using Grid.Models.Operations;

namespace Grid.Models.Architectures;

/// <summary>Uploads an architecture's weights and prepares its forward pass for maxRows rows.</summary>
internal delegate ICausalLanguageModel LoadArchitecture(ModelConfig config, WeightLoader weights, IOperations operations, int maxRows);

/// <summary>The architectures with a forward pass, by the name config.json gives them. A new one is added here.</summary>
internal static class SupportedArchitectures
{
    private static readonly SortedDictionary<string, (string ModelType, LoadArchitecture Load)> s_byName = new(StringComparer.Ordinal)
    {
        [Qwen3Architecture.Name] = (Qwen3Architecture.ModelType, Qwen3Architecture.Load),
    };

    /// <summary>All names, for messages.</summary>
    public static string Names => string.Join(", ", s_byName.Keys);

    /// <summary>config.json's model_type of an architecture; null when the architecture is not supported.</summary>
    public static string? ModelType(string architecture) =>
        s_byName.TryGetValue(architecture, out var entry) ? entry.ModelType : null;

    /// <summary>Loads a supported architecture.</summary>
    public static ICausalLanguageModel Load(ModelConfig config, WeightLoader weights, IOperations operations, int maxRows) =>
        s_byName[config.Architecture].Load(config, weights, operations, maxRows);
}
