using Grid.Models.Tests.Support;
using Grid.Numerics;

namespace Grid.Models.Tests;

/// <summary>What generation_config.json says of sampling.</summary>
public sealed class RecommendedSamplingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string GenerationConfig => _folder.File("generation_config.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_five_parameters_are_read()
    {
        var all = Read("""{"temperature":0.6,"top_p":0.95,"top_k":20,"min_p":0.05,"repetition_penalty":1.1}""");

        Assert.Equal(new SamplingParameters { Temperature = 0.6f, TopP = 0.95f, TopK = 20, MinP = 0.05f, RepetitionPenalty = 1.1f }, all);
        Assert.Equal(new SamplingParameters { Temperature = 0, TopP = 1 }, Read("""{"temperature":0,"top_p":1.0,"top_k":null}"""));
        Assert.Equal(new SamplingParameters { Temperature = 0.7f, TopP = 0.9f }, ModelFolder.Open(DemoModel.Path).ReadRecommendedSampling());
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"temperature":null,"top_k":null}""")]
    [InlineData("""{"do_sample":false,"num_beams":4,"no_repeat_ngram_size":3,"suppress_tokens":[1],"max_new_tokens":5,"eos_token_id":2}""")]
    public void Other_fields_are_not_looked_at(string json) => Assert.Equal(new SamplingParameters(), Read(json));

    [Fact]
    public void A_folder_without_the_file_recommends_nothing() =>
        Assert.Equal(new SamplingParameters(), ModelFolder.Open(_folder.Path).ReadRecommendedSampling());

    [Theory]
    [InlineData("-1", 0)]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    public void A_top_k_of_minus_one_or_zero_keeps_all(string value, int expected) =>
        Assert.Equal(expected, Read($$"""{"top_k":{{value}}}""").TopK);

    [Theory]
    [InlineData("temperature", "-0.1", "a number from 0 to 1000000")]
    [InlineData("temperature", "1e7", "a number from 0 to 1000000")]
    [InlineData("temperature", "1e999", "a number from 0 to 1000000")]
    [InlineData("temperature", "\"0.6\"", "a number from 0 to 1000000")]
    [InlineData("top_p", "0", "a number above 0 and at most 1")]
    [InlineData("top_p", "1e-60", "a number above 0 and at most 1")]
    [InlineData("top_p", "1.5", "a number above 0 and at most 1")]
    [InlineData("top_p", "[0.9]", "a number above 0 and at most 1")]
    [InlineData("top_k", "-2", "an integer of at least -1")]
    [InlineData("top_k", "2.5", "an integer of at least -1")]
    [InlineData("top_k", "99999999999", "an integer of at least -1")]
    [InlineData("top_k", "true", "an integer of at least -1")]
    [InlineData("min_p", "-1", "a number from 0 to 1")]
    [InlineData("min_p", "1.01", "a number from 0 to 1")]
    [InlineData("repetition_penalty", "0", "a number from 0.01 to 100")]
    [InlineData("repetition_penalty", "101", "a number from 0.01 to 100")]
    public void A_bad_value_is_refused_with_file_field_value_and_rule(string field, string value, string rule)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read($$"""{"{{field}}":{{value}}}"""));

        Assert.Equal(("generation_config.json", field, value), (e.File, e.Field, e.Value));
        Assert.Contains($"it must be {rule}", e.Rule, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("no/folder")]
    public void A_link_to_nothing_is_refused_by_name(string target)
    {
        File.CreateSymbolicLink(GenerationConfig, target);

        var e = Assert.Throws<ModelFormatException>(() => ModelFolder.Open(_folder.Path).ReadRecommendedSampling());

        Assert.Equal((GenerationConfig, "a link to nothing"), (e.File, e.Value));
    }

    private SamplingParameters Read(string json)
    {
        File.WriteAllText(GenerationConfig, json);
        return ModelFolder.Open(_folder.Path).ReadRecommendedSampling();
    }
}
