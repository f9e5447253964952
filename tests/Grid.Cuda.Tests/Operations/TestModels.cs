using System.Text.Json.Nodes;
using Grid.Models;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>
/// Models that run on both devices: the demo model, and small ones of every architecture with dummy weights, in sizes that are
/// multiples of nothing more than they must be.
/// </summary>
internal static class TestModels
{
    private static readonly JsonObject Common = new()
    {
        ["hidden_act"] = "silu",
        ["hidden_size"] = 256,
        ["intermediate_size"] = 424,
        ["max_position_embeddings"] = 2048,
        ["num_hidden_layers"] = 2,
        ["rms_norm_eps"] = 1e-6,
        ["rope_theta"] = 10000.0,
        ["tie_word_embeddings"] = false,
        ["vocab_size"] = 1003,
    };

    private static readonly Dictionary<string, JsonObject> Small = new(StringComparer.Ordinal)
    {
        ["qwen3"] = Of("Qwen3ForCausalLM", "qwen3", 4, 2, 128, new() { ["tie_word_embeddings"] = true, ["num_hidden_layers"] = 3 }),
        ["llama"] = Of("LlamaForCausalLM", "llama", 8, 2, 64, new()
        {
            ["hidden_size"] = 328,
            ["rope_scaling"] = new JsonObject
            {
                ["rope_type"] = "llama3",
                ["factor"] = 8.0,
                ["low_freq_factor"] = 1.0,
                ["high_freq_factor"] = 4.0,
                ["original_max_position_embeddings"] = 256,
            },
        }),
        ["llama-12-heads-a-key"] = Of("LlamaForCausalLM", "llama", 12, 1, 64, new() { ["hidden_size"] = 200 }),
        ["llama-20-heads-a-key"] = Of("LlamaForCausalLM", "llama", 20, 1, 64, new() { ["hidden_size"] = 200 }),
        ["qwen2"] = Of("Qwen2ForCausalLM", "qwen2", 6, 2, null, new() { ["hidden_size"] = 384 }),
        ["mistral"] = Of("MistralForCausalLM", "mistral", 3, 3, 128, []),
        ["qwen3-moe"] = Of("Qwen3MoeForCausalLM", "qwen3_moe", 4, 4, 64, Experts(8, 2, 104, normalize: true)),
        ["qwen3-moe-mixed"] = Of("Qwen3MoeForCausalLM", "qwen3_moe", 8, 1, 64, Experts(20, 3, 64, normalize: false, dense: 1)),
        ["qwen3-moe-128-experts"] = Of("Qwen3MoeForCausalLM", "qwen3_moe", 4, 2, 128, Experts(128, 8, 48, normalize: true)),
    };

    /// <summary>All of them.</summary>
    public static IEnumerable<string> Names => ["demo", .. Small.Keys];

    /// <summary>For theories.</summary>
    public static TheoryData<string> Theory => [.. Names];

    /// <summary>Loads one for passes of so many rows.</summary>
    public static LoadedModel Load(string name, IOperations operations, int maxRows)
    {
        if (name == "demo")
        {
            return ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions { MaxBatchTokens = maxRows });
        }

        return LoadDummy(Small[name], operations, maxRows);
    }

    /// <summary>Puts dummy weights of a seed in the place of a model's; without a seed, of the demo model, its checkpoint.</summary>
    public static void Replace(string name, LoadedModel loaded, IOperations operations, ulong? seed)
    {
        var options = seed is { } given ? new ModelLoadOptions { LoadFormat = LoadFormat.Dummy, DummySeed = given } : new ModelLoadOptions();
        InFolder(name, folder =>
        {
            using var prepared = ModelLoader.Prepare(folder, loaded, operations, options);
            prepared.Apply();
            return 0;
        });
    }

    /// <summary>Loads one with dummy weights of a seed.</summary>
    public static LoadedModel LoadSeed(string name, IOperations operations, int maxRows, ulong seed) => InFolder(name, folder => ModelLoader.Load(
        folder, operations, new ModelLoadOptions { MaxBatchTokens = maxRows, LoadFormat = LoadFormat.Dummy, DummySeed = seed }));

    /// <summary>Loads one layer, the embedding and the head of a configuration that ships.</summary>
    public static LoadedModel LoadOneLayer(string config, IOperations operations, int maxRows)
    {
        string folder = ShippedConfigs.Find(config) ?? throw new ArgumentException($"No configuration {config} ships.", nameof(config));
        var fields = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!.AsObject();
        fields["num_hidden_layers"] = 1;
        return LoadDummy(fields, operations, maxRows);
    }

    /// <summary>Its forward pass.</summary>
    public static DecoderModel Decoder(this LoadedModel loaded) => (DecoderModel)loaded.Model;

    private static LoadedModel LoadDummy(JsonObject config, IOperations operations, int maxRows) => InFolder(config, folder =>
        ModelLoader.Load(folder, operations, new ModelLoadOptions { MaxBatchTokens = maxRows, LoadFormat = LoadFormat.Dummy }));

    private static T InFolder<T>(string name, Func<string, T> use) => name == "demo" ? use(DemoModel.Path) : InFolder(Small[name], use);

    private static T InFolder<T>(JsonObject config, Func<string, T> use)
    {
        var folder = Directory.CreateTempSubdirectory("grid-cuda-model");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "config.json"), config.ToJsonString());
            return use(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static JsonObject Of(string architecture, string type, int heads, int kvHeads, int? headDim, JsonObject others)
    {
        var config = Common.DeepClone().AsObject();
        config["architectures"] = new JsonArray(architecture);
        config["model_type"] = type;
        config["num_attention_heads"] = heads;
        config["num_key_value_heads"] = kvHeads;
        if (headDim is { } size)
        {
            config["head_dim"] = size;
        }

        foreach ((string name, var value) in others)
        {
            config[name] = value?.DeepClone();
        }

        return config;
    }

    private static JsonObject Experts(int count, int perToken, int inner, bool normalize, int? dense = null) => new()
    {
        ["decoder_sparse_step"] = 1,
        ["mlp_only_layers"] = dense is { } layer ? new JsonArray(layer) : new JsonArray(),
        ["moe_intermediate_size"] = inner,
        ["norm_topk_prob"] = normalize,
        ["num_experts"] = count,
        ["num_experts_per_tok"] = perToken,
    };
}
