using System.Text;
using System.Text.Json.Nodes;
using Grid.Models.Configuration;

namespace Grid.Models.Tests;

/// <summary>What config.json says of each architecture: as published checkpoints have it, with fields left out, and with
/// what cannot be honoured.</summary>
public class ArchitectureConfigTests
{
    private const string Llama31 = """
        {
          "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
          "eos_token_id": [128001, 128008, 128009], "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
          "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
          "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1,
          "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
          "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.3", "use_cache": true,
          "vocab_size": 128256
        }
        """;

    private const string Qwen25 = """
        {
          "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
          "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02, "intermediate_size": 18944,
          "max_position_embeddings": 32768, "max_window_layers": 28, "model_type": "qwen2", "num_attention_heads": 28,
          "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
          "sliding_window": 131072, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
          "transformers_version": "4.43.1", "use_cache": true, "use_sliding_window": false, "vocab_size": 152064
        }
        """;

    private const string Mistral03 = """
        {
          "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
          "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
          "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
          "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
          "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0",
          "use_cache": true, "vocab_size": 32768
        }
        """;

    private const string Qwen3 = """
        {
          "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
          "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
          "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 36, "model_type": "qwen3",
          "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
          "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": false,
          "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
          "vocab_size": 151936
        }
        """;

    [Fact]
    public void Published_configurations_are_read()
    {
        var llama = Read(Llama31);
        Assert.Equal((128, 32, 8, 131072, 500000.0), (llama.HeadDim, llama.QueryHeads, llama.KvHeads, llama.MaxPositions, llama.RopeTheta));
        Assert.Equal(new Llama3RopeScaling(8, 1, 4, 8192), llama.RopeScaling);
        Assert.Equal([128001, 128008, 128009], llama.EndTokenIds);
        Assert.Equal(1e-5f, llama.NormEpsilon);

        var small = Read(Llama31, c => Merge(c, """
            {"head_dim": 64, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "tie_word_embeddings": true}
            """));
        Assert.Equal((64, true), (small.HeadDim, small.TiedEmbeddings));

        var qwen2 = Read(Qwen25);
        Assert.Equal((128, 28, 4, 32768), (qwen2.HeadDim, qwen2.QueryHeads, qwen2.KvHeads, qwen2.MaxPositions));
        Assert.Null(qwen2.RopeScaling);

        var mistral = Read(Mistral03);
        Assert.Equal((128, 8, 32768, 1e6), (mistral.HeadDim, mistral.KvHeads, mistral.MaxPositions, mistral.RopeTheta));

        var qwen3 = Read(Qwen3);
        Assert.Equal((128, 36, 8, 40960), (qwen3.HeadDim, qwen3.Layers, qwen3.KvHeads, qwen3.MaxPositions));
    }

    [Fact]
    public void Rotary_scaling_in_the_spelling_of_transformers_5_says_the_same()
    {
        var four = Read(Llama31);
        var five = Read(Llama31, c =>
        {
            var rope = c["rope_scaling"]!.DeepClone();
            c.Remove("rope_scaling");
            c.Remove("rope_theta");
            rope["rope_theta"] = 500000.0;
            c["rope_parameters"] = rope;
        });
        var old = Read(Llama31, c =>
        {
            c["rope_scaling"]!.AsObject().Remove("rope_type");
            c["rope_scaling"]!["type"] = "llama3";
        });

        Assert.Equal((four.RopeTheta, four.RopeScaling), (five.RopeTheta, five.RopeScaling));
        Assert.Equal((four.RopeTheta, four.RopeScaling), (old.RopeTheta, old.RopeScaling));
    }

    [Theory]
    [InlineData(Llama31, 32, 128, 2048)]
    [InlineData(Mistral03, 8, 128, 131072)]
    [InlineData(Qwen3, 32, 128, 32768)]
    [InlineData(Qwen25, 32, 112, 32768)]
    public void Absent_fields_have_the_values_of_transformers(string config, int kvHeads, int headDim, int maxPositions)
    {
        var read = Read(config, c =>
        {
            c["num_attention_heads"] = 32; // Qwen2.5's own 28 are not a multiple of the 32 that it would then have
            foreach (string field in (string[])["num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps", "rope_theta",
                "rope_scaling", "tie_word_embeddings", "hidden_act", "torch_dtype", "eos_token_id", "attention_bias", "mlp_bias", "pretraining_tp"])
            {
                c.Remove(field);
            }
        });

        Assert.Equal((kvHeads, headDim, maxPositions), (read.KvHeads, read.HeadDim, read.MaxPositions));
        Assert.Equal((1e-6f, 10000.0, false), (read.NormEpsilon, read.RopeTheta, read.TiedEmbeddings));
        Assert.Null(read.RopeScaling);
        Assert.Empty(read.EndTokenIds);
    }

    [Fact]
    public void No_key_value_heads_of_their_own_means_as_many_as_query_heads() =>
        Assert.Equal(32, Read(Mistral03, c => c["num_key_value_heads"] = null).KvHeads);

    [Theory]
    [InlineData(Llama31, "attention_bias", "true", "must be false")]
    [InlineData(Llama31, "mlp_bias", "true", "must be false")]
    [InlineData(Llama31, "pretraining_tp", "2", "must be 1")]
    [InlineData(Llama31, "partial_rotary_factor", "0.5", "must be 1")]
    [InlineData(Llama31, "num_attention_heads", "24", "hidden_size (4096) is not a multiple", "head_dim")]
    [InlineData(Llama31, "sliding_window", "4096", "might change results")]
    [InlineData(Llama31, "attn_logit_softcapping", "30.0", "might change results")]
    [InlineData(Llama31, "no_rope_layers", "[1, 0]", "might change results")]
    [InlineData(Llama31, "use_qk_norm", "true", "might change results")]
    [InlineData(Llama31, "quantization", """{"bits": 4}""", "might change results")]
    [InlineData(Qwen25, "use_sliding_window", "true", "must be false")]
    [InlineData(Qwen25, "rope_scaling", """{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}""", "default or llama3", "rope_scaling.type")]
    [InlineData(Mistral03, "sliding_window", "4096", "lower max_position_embeddings (32768) to 4096")]
    [InlineData(Mistral03, "sliding_window", "0", "integer from 1")]
    public void A_field_that_would_change_results_is_refused_by_name(string config, string field, string value, string rule, string? named = null)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(config, c => c[field] = JsonNode.Parse(value)));

        Assert.Equal(named ?? field, e.Field);
        Assert.Contains(rule, e.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void An_absent_window_of_Mistral_is_the_one_transformers_assumes()
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(Mistral03, c => c.Remove("sliding_window")));
        Assert.Equal(("sliding_window", "absent, which means 4096"), (e.Field, e.Value));

        Assert.Equal(4096, Read(Mistral03, c => Merge(c, """{"max_position_embeddings": 4096, "sliding_window": 4096}""")).MaxPositions);
    }

    [Theory]
    [InlineData("factor", "null", "needs it")]
    [InlineData("factor", "0.5", "at least 1")]
    [InlineData("low_freq_factor", "0", "above 0")]
    [InlineData("high_freq_factor", "1.0", "above low_freq_factor")]
    [InlineData("original_max_position_embeddings", "0", "integer from 1")]
    [InlineData("rope_type", "\"yarn\"", "default or llama3")]
    [InlineData("rope_type", "\"dynamic\"", "default or llama3")]
    [InlineData("rope_type", "3", "must be a string")]
    [InlineData("type", "\"default\"", "agree with rope_type")]
    [InlineData("attention_factor", "1.2", "no such parameter")]
    [InlineData("partial_rotary_factor", "0.25", "must be 1")]
    public void Rotary_scaling_that_cannot_be_honoured_is_refused_by_name(string field, string value, string rule)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(Llama31, c => c["rope_scaling"]![field] = JsonNode.Parse(value)));

        Assert.Equal($"rope_scaling.{field}", e.Field);
        Assert.Contains(rule, e.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void Rotary_scaling_said_twice_must_agree()
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(Llama31, c => c["rope_parameters"] = new JsonObject { ["rope_theta"] = 500000.0 }));

        Assert.Equal("rope_scaling", e.Field);
    }

    [Theory]
    [InlineData("_name_or_path", "\"meta-llama/Llama-3.1-8B\"")]
    [InlineData("pad_token_id", "128004")]
    [InlineData("unsloth_version", "\"2025.1\"")]
    [InlineData("transformers.js_config", """{"dtype": "q4"}""")]
    [InlineData("rope_interleaved", "false")]
    [InlineData("something_new", "null")]
    public void A_field_without_influence_on_results_is_let_pass(string field, string value) =>
        Assert.Equal(Read(Llama31) with { EndTokenIds = [] }, Read(Llama31, c => c[field] = JsonNode.Parse(value)) with { EndTokenIds = [] });

    private static void Merge(JsonObject config, string changes)
    {
        foreach ((string name, var value) in JsonNode.Parse(changes)!.AsObject())
        {
            config[name] = value?.DeepClone();
        }
    }

    private static ModelConfig Read(string text, Action<JsonObject>? change = null)
    {
        var config = JsonNode.Parse(text)!.AsObject();
        change?.Invoke(config);
        return ModelConfigReader.Read(Encoding.UTF8.GetBytes(config.ToJsonString()), null, out _);
    }
}
