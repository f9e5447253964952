using System.Text.Json;

namespace Grid.Models.Configuration;

/// <summary>What transformers assumes for an architecture where config.json has no such field.</summary>
/// <param name="MaxPositions">max_position_embeddings.</param>
internal sealed record DecoderDefaults(int MaxPositions)
{
    /// <summary>num_key_value_heads; null: as many as query heads.</summary>
    public int? KvHeads { get; init; }

    /// <summary>head_dim; null: hidden_size / num_attention_heads.</summary>
    public int? HeadDim { get; init; }
}

/// <summary>Reads the fields that all decoder architectures have, and refuses those that none supports.</summary>
internal static class DecoderConfigReader
{
    // Bounds that keep every product of two sizes inside 64 bits and every row inside an array.
    private const int MaxSize = 1 << 24;
    private const int MaxHeads = 4096;
    private const int MaxLayers = 1024;
    private const float DefaultEpsilon = 1e-6f;

    /// <summary>Reads and checks the shared fields. The sizes of the model must be there: a checkpoint names them.</summary>
    public static ModelConfig Read(JsonFields fields, string architecture, DecoderDefaults defaults)
    {
        RefuseUnsupported(fields);
        int hidden = fields.Count("hidden_size", MaxSize);
        int queryHeads = fields.Count("num_attention_heads", MaxHeads);
        int maxPositions = fields.Count("max_position_embeddings", MaxSize, defaults.MaxPositions);
        (double theta, var scaling) = RopeConfigReader.Read(fields, maxPositions);
        var config = new ModelConfig
        {
            Architecture = architecture,
            VocabularySize = fields.Count("vocab_size", MaxSize),
            HiddenSize = hidden,
            IntermediateSize = fields.Count("intermediate_size", MaxSize),
            Layers = fields.Count("num_hidden_layers", MaxLayers),
            QueryHeads = queryHeads,
            KvHeads = ReadKvHeads(fields, queryHeads, defaults),
            HeadDim = ReadHeadDim(fields, hidden, queryHeads, defaults),
            MaxPositions = maxPositions,
            NormEpsilon = ReadEpsilon(fields),
            RopeTheta = theta,
            RopeScaling = scaling,
            TiedEmbeddings = fields.Flag("tie_word_embeddings", fallback: false),
            EndTokenIds = [],
        };
        CheckShapes(fields, config);
        return config;
    }

    private static void RefuseUnsupported(JsonFields fields)
    {
        if (fields.Find("quantization_config") is { } quantization)
        {
            string method = quantization.ValueKind == JsonValueKind.Object && quantization.TryGetProperty("quant_method", out var named) && named.ValueKind == JsonValueKind.String
                ? named.GetString()!
                : "a method without a name";
            throw fields.Error("quantization_config", $"for weights quantised by {method}", "Grid serves unquantised weights, so it must be absent or null: take the model that this one was made of");
        }

        if (fields.Find("auto_map") is { } map)
        {
            throw fields.Error("auto_map", map, "it changes results and is not supported, so it must be absent or null");
        }

        foreach (string name in (ReadOnlySpan<string>)["attention_bias", "mlp_bias", "use_sliding_window", "add_cross_attention", "is_encoder_decoder"])
        {
            if (fields.Flag(name, fallback: false))
            {
                throw fields.Error(name, "true", "it changes results and is not supported, so it must be false");
            }
        }

        foreach (string name in (ReadOnlySpan<string>)["pretraining_tp", "partial_rotary_factor"])
        {
            if (fields.Find(name) is { } value && fields.Number(name, value, 0) != 1)
            {
                throw fields.Error(name, value, "it changes results and is not supported, so it must be 1");
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
    }

    private static int ReadKvHeads(JsonFields fields, int queryHeads, DecoderDefaults defaults)
    {
        bool isNull = fields.IsPresent("num_key_value_heads") && fields.Find("num_key_value_heads") is null;
        int heads = isNull ? queryHeads : fields.Count("num_key_value_heads", MaxHeads, defaults.KvHeads ?? queryHeads);
        return queryHeads % heads == 0
            ? heads
            : throw fields.Error("num_key_value_heads", $"{heads}", $"it must divide num_attention_heads ({queryHeads})");
    }

    private static int ReadHeadDim(JsonFields fields, int hidden, int queryHeads, DecoderDefaults defaults)
    {
        if (fields.Find("head_dim") is not null)
        {
            return fields.Count("head_dim", MaxHeads);
        }

        return defaults.HeadDim ?? (hidden % queryHeads == 0
            ? hidden / queryHeads
            : throw fields.Error("head_dim", "absent",
                $"it must be there, because hidden_size ({hidden}) is not a multiple of num_attention_heads ({queryHeads})"));
    }

    private static float ReadEpsilon(JsonFields fields)
    {
        if (!fields.IsPresent("rms_norm_eps"))
        {
            return DefaultEpsilon;
        }

        var value = fields.Require("rms_norm_eps", "it must be a number");
        return (float)fields.Number("rms_norm_eps", value, 0);
    }

    private static void CheckShapes(JsonFields fields, ModelConfig config)
    {
        if (config.HeadDim % 16 != 0)
        {
            throw fields.Error("head_dim", $"{config.HeadDim}", "it must be a multiple of 16, the step of the contract's chains");
        }

        if ((long)config.MaxPositions * config.HeadDim > Array.MaxLength)
        {
            throw fields.Error("max_position_embeddings", $"{config.MaxPositions}",
                $"its product with head_dim ({config.HeadDim}) must not exceed {Array.MaxLength}");
        }

        CheckLayerTypes(fields, config.Layers);
    }

    private static void CheckLayerTypes(JsonFields fields, int layers)
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

        if (types.GetArrayLength() != layers)
        {
            throw fields.Error("layer_types", types, $"it must have num_hidden_layers ({layers}) entries");
        }
    }
}
