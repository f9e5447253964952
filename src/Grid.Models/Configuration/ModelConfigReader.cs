using System.Text.Json;
using Grid.Models.Architectures;

namespace Grid.Models.Configuration;

/// <summary>
/// Reads config.json and generation_config.json in the spellings of transformers 4 and 5. A field that would change
/// results and is not supported is refused, and so is one that nobody here knows; absent fields have the values that
/// transformers gives them.
/// </summary>
internal static class ModelConfigReader
{
    /// <summary>The file with the architecture.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>The file with the end tokens and the recommended sampling; optional.</summary>
    public const string GenerationConfigFile = "generation_config.json";

    /// <summary>Reads and checks a configuration.</summary>
    /// <param name="config">The bytes of config.json.</param>
    /// <param name="generationConfig">The bytes of generation_config.json, where the folder has one.</param>
    /// <param name="endTokens">Which file names which end tokens. Each has what the other may lack, so all of them count.</param>
    public static ModelConfig Read(byte[] config, byte[]? generationConfig, out IReadOnlyList<EndTokens> endTokens)
    {
        var fields = JsonFields.Parse(ConfigFile, config);
        var architecture = ReadArchitecture(fields);
        var result = architecture.ReadConfig(fields);
        List<EndTokens> places = [ReadEndTokens(ConfigFile, fields, result.VocabularySize)];
        if (generationConfig is not null)
        {
            places.Add(ReadEndTokens(GenerationConfigFile, JsonFields.Parse(GenerationConfigFile, generationConfig), result.VocabularySize));
        }

        endTokens = places;
        result = result with { EndTokenIds = EndTokens.Union(places, result.VocabularySize) };
        HarmlessFields.RefuseOthers(fields, architecture.Name);
        return result;
    }

    private static Architecture ReadArchitecture(JsonFields fields)
    {
        string rule = $"it must be a list of one supported architecture ({SupportedArchitectures.Names})";
        var list = fields.Require("architectures", rule);
        bool one = list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == 1 && list[0].ValueKind == JsonValueKind.String;
        string name = (one ? list[0].GetString() : null) ?? throw fields.Error("architectures", list, rule);
        var architecture = SupportedArchitectures.Find(name) ?? throw fields.Error("architectures", list, rule);
        return fields.Text("model_type") is { } type && type != architecture.ModelType
            ? throw fields.Error("model_type", $"'{type}'", $"it must be {architecture.ModelType} for {name}")
            : architecture;
    }

    private static EndTokens ReadEndTokens(string file, JsonFields fields, int vocabulary)
    {
        var ids = new SortedSet<int>();
        if (fields.Find("eos_token_id") is { } value)
        {
            foreach (var element in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value])
            {
                if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int id) || id < 0 || id >= vocabulary)
                {
                    throw fields.Error("eos_token_id", value, $"it must be a token id, or a list of token ids, below vocab_size ({vocabulary})");
                }

                ids.Add(id);
            }
        }

        return new EndTokens(file, [.. ids]);
    }
}
