using System.Text;
using System.Text.Json.Nodes;
using Grid.Models.Checkpoints;
using Grid.Models.Configuration;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>Configuration and loading of Qwen3-MoE; what it computes is compared in <see cref="ArchitectureReferenceTests"/>.</summary>
public sealed class MixtureOfExpertsTests : IDisposable
{
    // Qwen/Qwen3-30B-A3B on the hub (Apache 2.0).
    private const string Qwen3MoeConfig = """
        {
          "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
          "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
          "initializer_range": 0.02, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
          "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true,
          "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
          "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
          "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
          "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
          "vocab_size": 151936
        }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_configuration_of_a_model_on_the_hub_is_read()
    {
        var config = Read(_ => { });

        Assert.Equal("Qwen3MoeForCausalLM", config.Architecture);
        Assert.Equal((48, 32, 4, 128), (config.Layers, config.QueryHeads, config.KvHeads, config.HeadDim));
        Assert.Equal((128, 8, 768, true), (config.Experts!.Count, config.Experts.PerToken, config.Experts.IntermediateSize, config.Experts.NormalizeWeights));
        Assert.Equal(Enumerable.Range(0, 48), config.Experts.Layers);
    }

    [Fact]
    public void Absent_fields_have_the_values_of_transformers()
    {
        var config = Read(c =>
        {
            foreach (string name in (string[])["norm_topk_prob", "decoder_sparse_step", "mlp_only_layers", "num_key_value_heads", "head_dim"])
            {
                c.Remove(name);
            }
        });

        Assert.False(config.Experts!.NormalizeWeights);
        Assert.Equal(48, config.Experts.Layers.Count);
        Assert.Equal((4, 64), (config.KvHeads, config.HeadDim));
    }

    [Theory]
    [InlineData(1, "[]", new[] { 0, 1, 2, 3, 4, 5, 6 })]
    [InlineData(1, "null", new[] { 0, 1, 2, 3, 4, 5, 6 })]
    [InlineData(1, "[0, 6, 3, 3]", new[] { 1, 2, 4, 5 })]
    [InlineData(2, "[]", new[] { 1, 3, 5 })]
    [InlineData(3, "[5]", new[] { 2 })]
    [InlineData(8, "[]", new int[0])]
    public void Every_step_th_layer_has_experts_unless_it_is_listed_as_dense(int step, string dense, int[] expected)
    {
        var config = Read(c =>
        {
            c["num_hidden_layers"] = 7;
            c["decoder_sparse_step"] = step;
            c["mlp_only_layers"] = JsonNode.Parse(dense);
        });

        Assert.Equal(expected, config.Experts!.Layers);
    }

    [Fact]
    public void The_number_of_experts_is_read_in_both_spellings()
    {
        Assert.Equal(128, Read(c => c["num_local_experts"] = 128).Experts!.Count);
        Assert.Equal(16, Read(c =>
        {
            c.Remove("num_experts");
            c["num_local_experts"] = 16;
        }).Experts!.Count);
        Assert.Equal("num_local_experts", Assert.Throws<ModelFormatException>(() => Read(c => c["num_local_experts"] = 64)).Field);
    }

    [Theory]
    [InlineData("num_experts", "0", "integer from 1 to")]
    [InlineData("num_experts", "null", "integer from 1 to")]
    [InlineData("num_experts_per_tok", "129", "integer from 1 to 128")]
    [InlineData("moe_intermediate_size", "null", "integer from 1 to")]
    [InlineData("norm_topk_prob", "1", "true or false")]
    [InlineData("decoder_sparse_step", "0", "integer from 1 to")]
    [InlineData("mlp_only_layers", "3", "list of layers")]
    [InlineData("mlp_only_layers", "[48]", "from 0 to 47")]
    [InlineData("mlp_only_layers", "[-1]", "from 0 to 47")]
    [InlineData("shared_expert_intermediate_size", "512", "might change results")]
    [InlineData("scoring_func", "\"sigmoid\"", "might change results")]
    [InlineData("model_type", "\"qwen3\"", "qwen3_moe")]
    [InlineData("use_sliding_window", "true", "must be false")]
    public void A_field_that_cannot_be_honoured_is_refused_by_name(string field, string value, string rule)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(c => c[field] = JsonNode.Parse(value)));

        Assert.Equal(field, e.Field);
        Assert.Contains(rule, e.Rule, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("norm_topk_prob", "false")]
    [InlineData("num_experts_per_tok", "3")]
    public void A_field_that_decides_routing_changes_the_id(string field, string value)
    {
        string original = Load(Tensors(), _ => { });

        Assert.Equal(original, Load(Tensors(), _ => { }));
        Assert.NotEqual(original, Load(Tensors(), c => c[field] = JsonNode.Parse(value)));
    }

    [Theory]
    [InlineData("model.layers.1.mlp.experts.gate_up_proj")]
    [InlineData("model.layers.0.mlp.experts.down_proj")]
    public void Experts_stacked_in_one_tensor_are_refused_by_name(string name)
    {
        var tensors = Tensors();
        tensors.Add(name, ([8, 1, 1], new ushort[8]));
        var e = Assert.Throws<ModelFormatException>(() => Load(tensors, _ => { }));

        Assert.Equal(name, e.Field);
        Assert.Contains("experts.0.gate_proj.weight", e.Rule, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.layers.1.mlp.experts.7.up_proj.weight")]
    [InlineData("model.layers.0.mlp.experts.3.down_proj.weight")]
    [InlineData("model.layers.0.mlp.gate.weight")]
    public void A_missing_tensor_is_named(string name)
    {
        var tensors = Tensors();
        Assert.True(tensors.Remove(name));
        Assert.Equal(name, Assert.Throws<ModelFormatException>(() => Load(tensors, _ => { })).Field);
    }

    [Fact]
    public void An_expert_too_many_and_a_shared_expert_are_refused()
    {
        foreach (string name in (string[])["model.layers.1.mlp.experts.8.up_proj.weight", "model.layers.0.mlp.shared_expert.up_proj.weight"])
        {
            var tensors = Tensors();
            tensors.Add(name, ([32, 64], new ushort[32 * 64]));
            Assert.Equal(name, Assert.Throws<ModelFormatException>(() => Load(tensors, _ => { })).Field);
        }
    }

    private static ModelConfig Read(Action<JsonObject> change)
    {
        var config = JsonNode.Parse(Qwen3MoeConfig)!.AsObject();
        change(config);
        return ModelConfigReader.Read(Encoding.UTF8.GetBytes(config.ToJsonString()), null, out _);
    }

    /// <summary>The tensors of the random checkpoint.</summary>
    private static SortedDictionary<string, (int[] Shape, ushort[] Values)> Tensors()
    {
        var tensors = new SortedDictionary<string, (int[] Shape, ushort[] Values)>(StringComparer.Ordinal);
        using var checkpoint = Checkpoint.Open(ModelFolder.Open(RandomModel));
        foreach ((string name, var tensor) in checkpoint.Tensors)
        {
            ushort[] values = new ushort[tensor.Rows * tensor.Columns];
            for (int row = 0; row < tensor.Rows; row++)
            {
                tensor.CopyRow(row, values.AsSpan(row * tensor.Columns, tensor.Columns));
            }

            tensors.Add(name, ([.. tensor.Shape], values));
        }

        return tensors;
    }

    /// <summary>Loads the random checkpoint with these tensors and a changed configuration; returns its digest.</summary>
    private string Load(SortedDictionary<string, (int[] Shape, ushort[] Values)> tensors, Action<JsonObject> change)
    {
        var config = JsonNode.Parse(File.ReadAllBytes(Path.Combine(RandomModel, "config.json")))!.AsObject();
        change(config);
        var builder = new SafetensorsBuilder();
        foreach ((string name, (int[] shape, ushort[] values)) in tensors)
        {
            builder.AddBf16(name, shape, values);
        }

        File.WriteAllText(_folder.File("config.json"), config.ToJsonString());
        File.WriteAllBytes(_folder.File("model.safetensors"), builder.Build());
        using var recorder = new UploadRecorder();
        using var model = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions());
        Assert.Equal(tensors.Count, recorder.Uploaded.Count);
        return model.NumericsId.ModelDigest;
    }

    private static string RandomModel => Path.Combine(ReferenceValues.Folder, "random-qwen3-moe");
}
