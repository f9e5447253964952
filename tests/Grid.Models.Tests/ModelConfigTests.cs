using System.Text;
using System.Text.Json.Nodes;
using Grid.Models.Configuration;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

public class ModelConfigTests
{
    [Fact]
    public void A_config_in_the_spelling_of_transformers_4_is_read()
    {
        var config = Read(_ => { });

        Assert.Equal("Qwen3ForCausalLM", config.Architecture);
        Assert.Equal(48, config.VocabularySize);
        Assert.Equal(32, config.HiddenSize);
        Assert.Equal(64, config.IntermediateSize);
        Assert.Equal(2, config.Layers);
        Assert.Equal(4, config.QueryHeads);
        Assert.Equal(2, config.KvHeads);
        Assert.Equal(16, config.HeadDim);
        Assert.Equal(256, config.MaxPositions);
        Assert.Equal(1e-6f, config.NormEpsilon);
        Assert.Equal(10000.0, config.RopeTheta);
        Assert.True(config.TiedEmbeddings);
        Assert.Equal([7], config.EndTokenIds);
    }

    [Fact]
    public void A_config_in_the_spelling_of_transformers_5_is_read()
    {
        var config = Read(c =>
        {
            c.Remove("rope_theta");
            c.Remove("rope_scaling");
            c.Remove("torch_dtype");
            c["dtype"] = "bfloat16";
            c["layer_types"] = new JsonArray("full_attention", "full_attention");
            c["rope_parameters"] = new JsonObject { ["rope_theta"] = 1000000.0, ["rope_type"] = "default" };
        });

        Assert.Equal(1000000.0, config.RopeTheta);
    }

    [Theory]
    [InlineData("7", """{"eos_token_id": 5}""", new[] { 5, 7 })]
    [InlineData("7", """{"eos_token_id": [9, 3, 9, 7]}""", new[] { 3, 7, 9 })]
    [InlineData("7", """{"eos_token_id": null}""", new[] { 7 })]
    [InlineData("7", """{"eos_token_id": []}""", new[] { 7 })]
    [InlineData("7", """{"temperature": 0.6}""", new[] { 7 })]
    [InlineData("7", null, new[] { 7 })]
    [InlineData("null", """{"eos_token_id": 5}""", new[] { 5 })]
    [InlineData("[]", """{"eos_token_id": [5, 6]}""", new[] { 5, 6 })]
    [InlineData("null", null, new int[0])]
    public void End_tokens_are_those_of_both_files(string own, string? generation, int[] expected)
    {
        var config = Read(c => c["eos_token_id"] = JsonNode.Parse(own), generation);

        Assert.Equal(expected, config.EndTokenIds);
    }

    [Theory]
    [InlineData("architectures", """["GemmaForCausalLM"]""", "Qwen3ForCausalLM")]
    [InlineData("architectures", """["Qwen3ForCausalLM", "Other"]""", "one supported architecture")]
    [InlineData("architectures", "null", "one supported architecture")]
    [InlineData("model_type", "\"llama\"", "qwen3")]
    [InlineData("quantization_config", "{\n  \"quant_method\": \"fp8\",\n  \"bits\": 8\n}", "it must be absent or null")]
    [InlineData("auto_map", """{"AutoModel": "x.Y"}""", "absent or null")]
    [InlineData("attention_bias", "true", "must be false")]
    [InlineData("use_sliding_window", "true", "must be false")]
    [InlineData("use_sliding_window", "\"no\"", "true or false")]
    [InlineData("hidden_act", "\"gelu\"", "must be silu")]
    [InlineData("torch_dtype", "\"float8_e4m3fn\"", "bfloat16, float16 or float32")]
    [InlineData("dtype", "\"int8\"", "bfloat16, float16 or float32")]
    [InlineData("layer_types", """["full_attention", "sliding_attention"]""", "full_attention")]
    [InlineData("layer_types", """["full_attention"]""", "entries")]
    [InlineData("vocab_size", "0", "integer from 1 to")]
    [InlineData("hidden_size", "32.5", "integer from 1 to")]
    [InlineData("hidden_size", "\"32\"", "integer from 1 to")]
    [InlineData("intermediate_size", "99999999999", "integer from 1 to")]
    [InlineData("num_hidden_layers", "-1", "integer from 1 to")]
    [InlineData("num_key_value_heads", "3", "must divide num_attention_heads (4)")]
    [InlineData("head_dim", "24", "multiple of 16")]
    [InlineData("max_position_embeddings", "null", "integer from 1 to")]
    [InlineData("rms_norm_eps", "-1e-6", "at least 0")]
    [InlineData("rms_norm_eps", "null", "must be a number")]
    [InlineData("rope_theta", "0.5", "at least 1")]
    [InlineData("rope_theta", "null", "rope_parameters.rope_theta")]
    [InlineData("tie_word_embeddings", "1", "true or false")]
    [InlineData("eos_token_id", "48", "below vocab_size (48)")]
    [InlineData("eos_token_id", "[1, -1]", "below vocab_size (48)")]
    public void A_field_that_cannot_be_honoured_is_refused_by_name(string field, string value, string rule)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(c => c[field] = JsonNode.Parse(value)));

        Assert.Equal("config.json", e.File);
        Assert.Equal(field, e.Field);
        Assert.Contains(rule, e.Rule, StringComparison.Ordinal);
        Assert.Contains(e.Value, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quantised_weights_are_refused_in_one_sentence_with_their_method()
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(c => c["quantization_config"] = JsonNode.Parse("{\n  \"quant_method\": \"fp8\",\n  \"bits\": 8\n}")));
        Assert.Equal("config.json: quantization_config is for weights quantised by fp8; Grid serves unquantised weights, so it must be absent or null: take the model that this one was made of.", e.Message);
    }

    [Theory]
    [InlineData("""{"rope_theta": 1e6, "rope_type": "yarn"}""", "rope_parameters.rope_type")]
    [InlineData("""{"rope_theta": 1e4, "partial_rotary_factor": 0.5}""", "rope_parameters.partial_rotary_factor")]
    [InlineData("""{"rope_theta": 1e4, "factor": 2}""", "rope_parameters.factor")]
    [InlineData("""{"rope_theta": 5e5}""", "rope_theta")]
    [InlineData("[]", "rope_parameters")]
    public void Rope_parameters_that_cannot_be_honoured_are_refused_by_name(string parameters, string field)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(c => c["rope_parameters"] = JsonNode.Parse(parameters)));

        Assert.Equal(field, e.Field);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("""{"architectures": ["\ud800"]}""")]
    [InlineData("""{"\ud800": 1}""")]
    public void What_is_not_a_JSON_object_is_refused(string text)
    {
        var e = Assert.Throws<ModelFormatException>(() => ModelConfigReader.Read(Encoding.UTF8.GetBytes(text), null, out _));

        Assert.Equal("config.json", e.File);
    }

    [Fact]
    public void A_field_that_appears_twice_is_refused()
    {
        string text = TinyCheckpoint.Config.Replace("\"use_cache\"", "\"hidden_size\": 64, \"use_cache\"", StringComparison.Ordinal);

        Assert.Throws<ModelFormatException>(() => ModelConfigReader.Read(Encoding.UTF8.GetBytes(text), null, out _));
    }

    [Fact]
    public void Invalid_UTF8_is_refused()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(TinyCheckpoint.Config);
        bytes[TinyCheckpoint.Config.IndexOf("silu", StringComparison.Ordinal)] = 0xFF;

        var e = Assert.Throws<ModelFormatException>(() => ModelConfigReader.Read(bytes, null, out _));

        Assert.Contains("UTF-8", e.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void An_absent_folder_and_a_folder_without_config_are_refused()
    {
        using var folder = new TemporaryFolder();

        Assert.Equal("model folder", Assert.Throws<ModelFormatException>(() => ModelFolder.Open(folder.File("none"))).Field);
        var e = Assert.Throws<ModelFormatException>(() => ModelFolder.Open(folder.Path).ReadConfig());
        Assert.EndsWith("config.json", e.File, StringComparison.Ordinal);
        Assert.Equal("absent", e.Value);
    }

    private static ModelConfig Read(Action<JsonObject> change, string? generation = null)
    {
        var config = JsonNode.Parse(TinyCheckpoint.Config)!.AsObject();
        change(config);
        return ModelConfigReader.Read(
            Encoding.UTF8.GetBytes(config.ToJsonString()),
            generation is null ? null : Encoding.UTF8.GetBytes(generation), out _);
    }
}
