using System.Text.Json;
using Grid.Models.Architectures;

namespace Grid.Models.Configuration;

/// <summary>
/// Reads config.json and generation_config.json in the spellings of transformers 4 and 5. A field that would change
/// results and is not supported is refused; a field without influence on inference is not read.
/// </summary>
internal static class ModelConfigReader
{
    /// <summary>The file with the architecture.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>The file with the end tokens; optional.</summary>
    public const string GenerationConfigFile = "generation_config.json";

    // Bounds that keep every product of two sizes inside 64 bits and every row inside an array.
    private const int MaxSize = 1 << 24;
    private const int MaxHeads = 4096;
    private const int MaxLayers = 1024;

    /// <summary>Reads and checks a configuration.</summary>
    /// <param name="config">The bytes of config.json.</param>
    /// <param name="generationConfig">The bytes of generation_config.json, where the folder has one.</param>
    public static ModelConfig Read(byte[] config, byte[]? generationConfig)
    {
        JsonFields fields = JsonFields.Parse(ConfigFile, config);
        string architecture = ReadArchitecture(fields);
        RefuseUnsupported(fields);
        int vocabulary = fields.Count("vocab_size", MaxSize);
        var result = new ModelConfig
        {
            Architecture = architecture,
            VocabularySize = vocabulary,
            HiddenSize = fields.Count("hidden_size", MaxSize),
            IntermediateSize = fields.Count("intermediate_size", MaxSize),
            Layers = fields.Count("num_hidden_layers", MaxLayers),
            QueryHeads = fields.Count("num_attention_heads", MaxHeads),
            KvHeads = fields.Count("num_key_value_heads", MaxHeads),
            HeadDim = fields.Count("head_dim", MaxHeads),
            MaxPositions = fields.Count("max_position_embeddings", MaxSize),
            NormEpsilon = ReadEpsilon(fields),
            RopeTheta = ReadRopeTheta(fields),
            TiedEmbeddings = fields.Flag("tie_word_embeddings", fallback: false),
            EndTokenIds = ReadEndTokens(fields, generationConfig, vocabulary),
        };
        CheckShapes(fields, result);
        return result;
    }

    private static string ReadArchitecture(JsonFields fields)
    {
        string rule = $"it must be a list of one supported architecture ({SupportedArchitectures.Names})";
        JsonElement list = fields.Require("architectures", rule);
        bool one = list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == 1 && list[0].ValueKind == JsonValueKind.String;
        string architecture = (one ? list[0].GetString() : null) ?? throw fields.Error("architectures", list, rule);
        string modelType = SupportedArchitectures.ModelType(architecture) ?? throw fields.Error("architectures", list, rule);
        return fields.Text("model_type") is { } type && type != modelType
            ? throw fields.Error("model_type", $"'{type}'", $"it must be {modelType} for {architecture}")
            : architecture;
    }

    private static void RefuseUnsupported(JsonFields fields)
    {
        foreach (string name in (ReadOnlySpan<string>)["quantization_config", "rope_scaling", "auto_map"])
        {
            if (fields.Find(name) is { } value)
            {
                throw fields.Error(name, value, "it changes results and is not supported, so it must be absent or null");
            }
        }

        foreach (string name in (ReadOnlySpan<string>)["attention_bias", "mlp_bias", "use_sliding_window", "add_cross_attention"])
        {
            if (fields.Flag(name, fallback: false))
            {
                throw fields.Error(name, "true", "it changes results and is not supported, so it must be false");
            }
        }

        if (fields.Text("hidden_act") is { } activation and not "silu")
        {
            throw fields.Error("hidden_act", $"'{activation}'", "it must be silu");
        }

        foreach (string name in (ReadOnlySpan<string>)["torch_dtype", "dtype"])
        {
            if (fields.Text(name) is { } type and not ("bfloat16" or "float16" or "float32"))
            {
                throw fields.Error(name, $"'{type}'", "it must be bfloat16, float16 or float32 (weights are used as bfloat16)");
            }
        }

        CheckLayerTypes(fields);
    }

    private static void CheckLayerTypes(JsonFields fields)
    {
        if (fields.Find("layer_types") is not { } types)
        {
            return;
        }

        bool full = types.ValueKind == JsonValueKind.Array && types.EnumerateArray()
            .All(t => t.ValueKind == JsonValueKind.String && t.GetString() == "full_attention");
        if (!full)
        {
            throw fields.Error("layer_types", types, "it must list full_attention for every layer");
        }
    }

    private static float ReadEpsilon(JsonFields fields)
    {
        JsonElement value = fields.Require("rms_norm_eps", "it must be a number");
        return (float)fields.Number("rms_norm_eps", value, 0);
    }

    /// <summary>transformers 4 writes rope_theta, transformers 5 rope_parameters.rope_theta; both may be there if they
    /// agree.</summary>
    private static double ReadRopeTheta(JsonFields fields)
    {
        double? classic = fields.Find("rope_theta") is { } value ? fields.Number("rope_theta", value, 1) : null;
        if (fields.Find("rope_parameters") is not { } parameters)
        {
            return classic ?? throw fields.Error("rope_theta", "absent", "it (or rope_parameters.rope_theta) must be a number of at least 1");
        }

        double theta = ReadRopeParameters(fields.Object("rope_parameters", parameters));
        return classic is null || classic == theta
            ? theta
            : throw fields.Error("rope_theta", fields.Require("rope_theta", ""), "it must agree with rope_parameters.rope_theta");
    }

    private static double ReadRopeParameters(JsonFields rope)
    {
        double? theta = null;
        foreach (JsonProperty field in rope.All)
        {
            switch (field.Name)
            {
                case "rope_theta":
                    theta = rope.Number(field.Name, field.Value, 1);
                    break;
                case "rope_type" or "type" when rope.Text(field.Name) is null or "default":
                case "partial_rotary_factor" when rope.Find(field.Name) is null || rope.Number(field.Name, field.Value, 0) == 1:
                    break;
                default:
                    throw rope.Error(field.Name, field.Value, "only plain rotary embeddings (rope_type default, the whole head) are supported");
            }
        }

        return theta ?? throw rope.Error("rope_theta", "absent", "it must be a number of at least 1");
    }

    private static int[] ReadEndTokens(JsonFields config, byte[]? generationConfig, int vocabulary)
    {
        if (generationConfig is not null)
        {
            JsonFields generation = JsonFields.Parse(GenerationConfigFile, generationConfig);
            if (generation.Find("eos_token_id") is { } ids)
            {
                return ReadEndTokens(generation, ids, vocabulary);
            }
        }

        return config.Find("eos_token_id") is { } own ? ReadEndTokens(config, own, vocabulary) : [];
    }

    private static int[] ReadEndTokens(JsonFields fields, JsonElement value, int vocabulary)
    {
        IEnumerable<JsonElement> list = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];
        var ids = new SortedSet<int>();
        foreach (JsonElement element in list)
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int id) || id < 0 || id >= vocabulary)
            {
                throw fields.Error("eos_token_id", value, $"it must be a token id, or a list of token ids, below vocab_size ({vocabulary})");
            }

            ids.Add(id);
        }

        return [.. ids];
    }

    private static void CheckShapes(JsonFields fields, ModelConfig config)
    {
        if (config.QueryHeads % config.KvHeads != 0)
        {
            throw fields.Error("num_key_value_heads", $"{config.KvHeads}", $"it must divide num_attention_heads ({config.QueryHeads})");
        }

        if (config.HeadDim % 16 != 0)
        {
            throw fields.Error("head_dim", $"{config.HeadDim}", "it must be a multiple of 16, the step of the contract's chains");
        }

        if ((long)config.MaxPositions * config.HeadDim > Array.MaxLength)
        {
            throw fields.Error("max_position_embeddings", $"{config.MaxPositions}",
                $"its product with head_dim ({config.HeadDim}) must not exceed {Array.MaxLength}");
        }

        if (fields.Find("layer_types") is { } types && types.GetArrayLength() != config.Layers)
        {
            throw fields.Error("layer_types", types, $"it must have num_hidden_layers ({config.Layers}) entries");
        }
    }
}
