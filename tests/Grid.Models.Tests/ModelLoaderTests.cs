using System.Text.Json.Nodes;
using Grid.Models.Identity;
using Grid.Models.Tests.Support;
using Grid.Numerics;

namespace Grid.Models.Tests;

public sealed class ModelLoaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_tensor_reaches_the_device_bit_for_bit()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        using var recorder = new UploadRecorder();

        using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions());

        Assert.Equal(checkpoint.Tensors.Keys.ToHashSet(), recorder.Uploaded.Keys.ToHashSet());
        foreach ((string name, (_, ushort[] values)) in checkpoint.Tensors)
        {
            Assert.Equal(values, recorder.Uploaded[name]);
        }
    }

    [Fact]
    public void The_id_names_contract_and_model_and_loading_again_gives_it_again()
    {
        new TinyCheckpoint().Write(_folder);

        var first = LoadId();

        Assert.Equal(NumericContract.Version, first.ContractVersion);
        Assert.Matches("^[0-9a-f]{64}$", first.ModelDigest);
        Assert.Equal($"grid-{first.ContractVersion}-{first.ModelDigest}", first.ToString());
        Assert.Equal(first, LoadId());
    }

    /// <summary>The tokenizer's and the template's, as the files of the configuration may lack them.</summary>
    [Fact]
    public void End_tokens_that_others_name_count_and_are_part_of_the_id()
    {
        new TinyCheckpoint().Write(_folder, With("eos_token_id", "7"));
        (NumericsId Id, IReadOnlyList<int> EndTokenIds) Load(params int[] more)
        {
            using var recorder = new UploadRecorder();
            using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions { EndTokenIds = more });
            return (loaded.NumericsId, loaded.Model.Config.EndTokenIds);
        }

        var plain = Load();
        var same = Load(7, 48); // The vocabulary has no 48.
        var more = Load(9, 3);

        Assert.Equal([7], plain.EndTokenIds);
        Assert.Equal([7], same.EndTokenIds);
        Assert.Equal([3, 7, 9], more.EndTokenIds);
        Assert.Equal(plain.Id, same.Id);
        Assert.NotEqual(plain.Id, more.Id);
    }

    [Fact]
    public void A_tensor_without_values_changes_nothing()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var id = LoadId();
        checkpoint.Tensors.Add("left.over", ([0, 4], []));
        checkpoint.Write(_folder);
        Assert.Equal(id, LoadId());
    }

    [Fact]
    public void One_flipped_weight_bit_changes_the_id()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var ids = new HashSet<NumericsId> { LoadId() };
        foreach (string name in checkpoint.Tensors.Keys)
        {
            ushort[] values = checkpoint.Tensors[name].Values;
            values[^1] ^= 1;
            checkpoint.Write(_folder);
            Assert.True(ids.Add(LoadId()), name);
            values[^1] ^= 1;
        }
    }

    [Fact]
    public void The_digest_is_the_hash_of_a_text_that_anyone_can_write_down()
    {
        new TinyCheckpoint().Write(_folder, With("eos_token_id", "[9, 7]"));
        var config = ModelFolder.Open(_folder.Path).ReadConfig();
        ModelDigest.Weight[] weights = [new("b", [3], "cd"), new("a.b", [2, 16], "ab01"), new("B", [1], "dummy-1")];

        Assert.Equal(
            """
            grid model manifest 1
            architecture=Qwen3ForCausalLM
            vocabulary_size=48
            hidden_size=32
            intermediate_size=64
            layers=2
            query_heads=4
            kv_heads=2
            head_dim=16
            max_positions=256
            norm_epsilon=fp32:358637bd
            rope_theta=fp64:40c3880000000000
            tied_embeddings=1
            end_token_ids=7,9
            weight B [1] dummy-1
            weight a.b [2, 16] ab01
            weight b [3] cd

            """,
            ModelDigest.Manifest(config, weights));
    }

    [Fact]
    public void Rotary_scaling_has_its_lines_in_the_text()
    {
        new TinyCheckpoint().Write(_folder, With("rope_scaling",
            """{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}"""));

        Assert.Contains(
            """
            rope_theta=fp64:40c3880000000000
            rope_scaling=llama3
            rope_factor=fp64:4020000000000000
            rope_low_frequency_factor=fp64:3ff0000000000000
            rope_high_frequency_factor=fp64:4010000000000000
            rope_original_max_positions=64
            tied_embeddings=1

            """,
            ModelDigest.Manifest(ModelFolder.Open(_folder.Path).ReadConfig(), []), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rms_norm_eps", "1e-5")]
    [InlineData("rope_scaling", """{"type": "llama3", "factor": 2, "low_freq_factor": 1, "high_freq_factor": 4}""")]
    [InlineData("rope_theta", "20000.0")]
    [InlineData("max_position_embeddings", "128")]
    [InlineData("eos_token_id", "8")]
    public void A_config_field_that_decides_outputs_changes_the_id(string field, string value)
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var id = LoadId();

        checkpoint.Write(_folder, With(field, value));

        Assert.NotEqual(id, LoadId());
    }

    [Fact]
    public void Spelling_storage_and_the_order_of_fields_leave_no_trace_in_the_id()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var id = LoadId();

        var config = JsonNode.Parse(With("rope_theta", "null"))!.AsObject();
        config["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 1e4 };
        config["transformers_version"] = "5.0.0";
        WriteShards(checkpoint, config.ToJsonString());

        Assert.Equal(id, LoadId());
    }

    [Fact]
    public void Progress_ends_with_everything_loaded()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var reports = new Reports();
        using var recorder = new UploadRecorder();

        using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions(), reports);

        long bytes = checkpoint.Tensors.Values.Sum(t => 2L * t.Values.Length);
        Assert.Equal(new ModelLoadProgress(checkpoint.Tensors.Count, checkpoint.Tensors.Count, bytes, bytes), reports.Values[^1]);
        Assert.Equal(reports.Values.OrderBy(r => r.Bytes), reports.Values);
    }

    [Fact]
    public void A_missing_weight_is_named()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Tensors.Remove("model.layers.1.self_attn.k_norm.weight");
        checkpoint.Write(_folder);

        var e = Assert.Throws<ModelFormatException>(LoadId);

        Assert.Equal("model.layers.1.self_attn.k_norm.weight", e.Field);
    }

    [Fact]
    public void A_weight_of_another_shape_is_named()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder, With("intermediate_size", "128"));

        Assert.Equal("model.layers.0.mlp.gate_proj.weight.shape", Assert.Throws<ModelFormatException>(LoadId).Field);
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_named()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Tensors["model.layers.1.mlp.up_proj.weight"].Values[TinyCheckpoint.Hidden * 3 + 5] = 0x7FC0;
        checkpoint.Write(_folder);

        var e = Assert.Throws<ModelFormatException>(LoadId);

        Assert.Equal(("model.layers.1.mlp.up_proj.weight[3, 5]", "NaN"), (e.Field, e.Value));
    }

    [Fact]
    public void A_weight_the_architecture_does_not_have_is_refused()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Tensors.Add("model.layers.0.self_attn.q_proj.bias", ([64], new ushort[64]));
        checkpoint.Write(_folder);

        Assert.Equal("model.layers.0.self_attn.q_proj.bias", Assert.Throws<ModelFormatException>(LoadId).Field);
    }

    [Fact]
    public void Rotary_frequencies_stored_beside_the_weights_change_nothing()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var id = LoadId();

        checkpoint.Tensors.Add("model.layers.1.self_attn.rotary_emb.inv_freq", ([8], new ushort[8]));
        checkpoint.Write(_folder);

        Assert.Equal(id, LoadId());
    }

    [Fact]
    public void A_tied_head_may_be_stored_again_only_with_the_same_values()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder);
        var id = LoadId();

        (int[] shape, ushort[] values) = checkpoint.Tensors["model.embed_tokens.weight"];
        ushort[] copy = [.. values];
        checkpoint.Tensors.Add("lm_head.weight", (shape, copy));
        checkpoint.Write(_folder);
        Assert.Equal(id, LoadId());

        copy[^1] ^= 1;
        checkpoint.Write(_folder);
        Assert.Equal("lm_head.weight", Assert.Throws<ModelFormatException>(LoadId).Field);
    }

    [Fact]
    public void An_untied_head_is_needed_and_loaded()
    {
        var checkpoint = new TinyCheckpoint();
        checkpoint.Write(_folder, With("tie_word_embeddings", "false"));
        Assert.Equal("lm_head.weight", Assert.Throws<ModelFormatException>(LoadId).Field);

        checkpoint.Tensors.Add("lm_head.weight", ([TinyCheckpoint.Vocabulary, TinyCheckpoint.Hidden],
            SafetensorsBuilder.RandomBf16(new Random(8), TinyCheckpoint.Vocabulary * TinyCheckpoint.Hidden)));
        checkpoint.Write(_folder, With("tie_word_embeddings", "false"));
        using var recorder = new UploadRecorder();
        using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions());
        Assert.Equal(checkpoint.Tensors["lm_head.weight"].Values, recorder.Uploaded["lm_head.weight"]);
    }

    [Theory]
    [InlineData("model.norm.weight", "\"../model-b.safetensors\"", "same folder")]
    [InlineData("model.norm.weight", "7", "must be a string")]
    [InlineData("model.norm.weight", "\"model-a.safetensors\"", "the tensor is in model-b.safetensors")]
    [InlineData("another.weight", "\"model-c.safetensors\"", "the model folder must hold it")]
    [InlineData("another.weight", "\"model-a.safetensors\"", "does not hold the tensor")]
    public void An_index_that_does_not_fit_its_shards_is_refused(string name, string file, string rule)
    {
        WriteShards(new TinyCheckpoint(), TinyCheckpoint.Config);
        var index = JsonNode.Parse(File.ReadAllText(_folder.File("model.safetensors.index.json")))!;
        index["weight_map"]![name] = JsonNode.Parse(file);
        File.WriteAllText(_folder.File("model.safetensors.index.json"), index.ToJsonString());

        Assert.Contains(rule, Assert.Throws<ModelFormatException>(LoadId).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_weights_is_refused()
    {
        File.WriteAllText(_folder.File("config.json"), TinyCheckpoint.Config);

        Assert.EndsWith("model.safetensors", Assert.Throws<ModelFormatException>(LoadId).File, StringComparison.Ordinal);
    }

    private static string With(string field, string value)
    {
        var config = JsonNode.Parse(TinyCheckpoint.Config)!;
        config[field] = JsonNode.Parse(value);
        return config.ToJsonString();
    }

    private NumericsId LoadId()
    {
        using var recorder = new UploadRecorder();
        using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions());
        return loaded.NumericsId;
    }

    /// <summary>Two shards, layers in the first, the rest widened to fp32 in the second.</summary>
    private void WriteShards(TinyCheckpoint checkpoint, string config)
    {
        var shards = new SortedDictionary<string, SafetensorsBuilder>(StringComparer.Ordinal)
        {
            ["model-a.safetensors"] = new(),
            ["model-b.safetensors"] = new(),
        };
        var map = new JsonObject();
        foreach ((string name, (int[] shape, ushort[] values)) in checkpoint.Tensors.Reverse())
        {
            bool layer = name.Contains("layers", StringComparison.Ordinal);
            map[name] = layer ? "model-a.safetensors" : "model-b.safetensors";
            _ = layer
                ? shards["model-a.safetensors"].AddBf16(name, shape, values)
                : shards["model-b.safetensors"].AddF32(name, shape, [.. values.Select(Bf16.ToSingle)]);
        }

        File.Delete(_folder.File("model.safetensors"));
        foreach ((string file, var builder) in shards)
        {
            File.WriteAllBytes(_folder.File(file), builder.Build());
        }

        File.WriteAllText(_folder.File("model.safetensors.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
        File.WriteAllText(_folder.File("config.json"), config);
    }

    private sealed class Reports : IProgress<ModelLoadProgress>
    {
        public List<ModelLoadProgress> Values { get; } = [];

        public void Report(ModelLoadProgress value) => Values.Add(value);
    }
}
