using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Gateway.Tests;

/// <summary>What a request asks for is what the grid is asked for, field by field.</summary>
public sealed class MappingTests : IAsyncLifetime
{
    private const string AllSampling =
        "\"temperature\":0.25,\"top_p\":0.5,\"top_k\":7,\"min_p\":0.125,\"presence_penalty\":-1.5,\"frequency_penalty\":1.5,"
        + "\"repetition_penalty\":1.25,\"logit_bias\":{\"9\":-100,\"3\":2.5},\"stop\":[\"a\",\"b\"],\"stop_token_ids\":[8,2,8],\"ignore_eos\":true";

    private GatewayApp _app = null!;

    public async ValueTask InitializeAsync() => _app = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Every_sampling_field_reaches_the_spec_on_every_endpoint()
    {
        await _app.OkAsync("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"seed\":5,\"max_tokens\":9,\"min_tokens\":2,{AllSampling}}}");
        await _app.OkAsync("/v1/completions", $"{{\"prompt\":\"x\",\"seed\":5,\"max_tokens\":9,\"min_tokens\":2,{AllSampling}}}");
        await _app.OkAsync("/generate", $"{{\"text\":\"x\",\"sampling_params\":{{\"sampling_seed\":5,\"max_new_tokens\":9,\"min_new_tokens\":2,{AllSampling}}}}}");

        Assert.Equal(3, _app.Grid.Started.Count);
        foreach (var spec in _app.Grid.Started)
        {
            Assert.Equal("tiny", spec.Model);
            Assert.Equal(0.25f, spec.Generation.Sampling.Temperature);
            Assert.Equal(0.5f, spec.Generation.Sampling.TopP);
            Assert.Equal(7, spec.Generation.Sampling.TopK);
            Assert.Equal(0.125f, spec.Generation.Sampling.MinP);
            Assert.Equal(-1.5f, spec.Generation.Sampling.PresencePenalty);
            Assert.Equal(1.5f, spec.Generation.Sampling.FrequencyPenalty);
            Assert.Equal(1.25f, spec.Generation.Sampling.RepetitionPenalty);
            Assert.Equal([new LogitBias(3, 2.5f), new LogitBias(9, -100f)], spec.Generation.Sampling.LogitBias);
            Assert.Equal(["a", "b"], spec.StopStrings);
            Assert.Equal([2, 8], spec.Generation.StopTokenIds);
            Assert.True(spec.Generation.IgnoreEndTokens);
            Assert.Equal(5ul, spec.Generation.Sampling.Seed);
            Assert.Equal(9, spec.Generation.MaxNewTokens);
            Assert.Equal(2, spec.Generation.MinNewTokens);
            Assert.True(spec.ParseSpecialTokens);
        }
    }

    [Theory]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]")]
    [InlineData("/v1/completions", "\"prompt\":\"x\"")]
    [InlineData("/generate", "\"text\":\"x\"")]
    public async Task Cross_checking_is_asked_for_on_every_endpoint_and_its_refusal_names_the_field(string path, string prompt)
    {
        await _app.OkAsync(path, $"{{{prompt}}}");
        await _app.OkAsync(path, $"{{{prompt},\"cross_check\":true}}");
        Assert.Equal([false, true], _app.Grid.Started.Select(spec => spec.CrossCheck));
        var wrong = await _app.PostAsync(path, $"{{{prompt},\"cross_check\":\"yes\"}}");
        Assert.Equal(400, wrong.Status);
        Assert.Equal("cross_check", (string)wrong.Body["error"]!["param"]!);
        _app.Grid.Script = _ => throw new RefusedException(
            new() { Kind = RefusalKind.Unavailable, Field = nameof(SequenceSpec.CrossCheck), Rule = "takes two workers" });
        var refused = await _app.PostAsync(path, $"{{{prompt},\"cross_check\":true}}");
        Assert.Equal(503, refused.Status);
        Assert.Equal("cross_check", (string)refused.Body["error"]!["param"]!);
        Assert.Equal("'cross_check' takes two workers.", (string)refused.Body["error"]!["message"]!);
    }

    [Fact]
    public async Task Defaults_are_those_of_the_APIs()
    {
        await _app.OkAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
        await _app.OkAsync("/generate", "{\"text\":\"x\"}");

        var specs = _app.Grid.Started.ToArray();
        Assert.Equal([null, 16, 128], specs.Select(spec => spec.Generation.MaxNewTokens));
        foreach (var spec in specs)
        {
            var plain = new SequenceSpec { Model = "tiny", Generation = new() };
            Assert.Equal((plain.Generation.Sampling.Temperature, plain.Generation.Sampling.TopP, plain.Generation.Sampling.TopK, plain.Generation.Sampling.MinP), (spec.Generation.Sampling.Temperature, spec.Generation.Sampling.TopP, spec.Generation.Sampling.TopK, spec.Generation.Sampling.MinP));
            Assert.Equal((0f, 0f, 1f), (spec.Generation.Sampling.PresencePenalty, spec.Generation.Sampling.FrequencyPenalty, spec.Generation.Sampling.RepetitionPenalty));
            Assert.Empty(spec.Generation.Sampling.LogitBias);
            Assert.Empty(spec.StopStrings);
            Assert.Empty(spec.Generation.StopTokenIds);
            Assert.False(spec.Generation.Logprobs || spec.Generation.IgnoreEndTokens);
            Assert.Null(spec.Generation.PromptLogprobsFrom);
        }
    }

    [Fact]
    public async Task Raw_prompts_begin_as_the_models_texts_do_and_chats_as_their_template_says()
    {
        await _app.OkAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_special_tokens\":false}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"add_special_tokens\":true}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"add_special_tokens\":false}");
        await _app.OkAsync("/generate", "{\"text\":\"x\"}");

        Assert.Equal([false, true, true, false, true], _app.Grid.Started.Select(spec => spec.AddSpecialTokens));
    }

    [Fact]
    public async Task Null_means_absent_and_values_that_say_off_are_taken()
    {
        await _app.OkAsync("/v1/chat/completions",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"tool_calls\":[],\"refusal\":null}],\"temperature\":null,\"tools\":[],"
            + "\"tool_choice\":\"none\",\"response_format\":{\"type\":\"text\"},\"store\":false,\"audio\":null,\"n\":null,\"stop\":null,"
            + "\"modalities\":[\"text\"],\"service_tier\":\"auto\",\"top_k\":-1}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"best_of\":1,\"suffix\":null}");
        await _app.OkAsync("/generate", "{\"text\":\"x\",\"lora_path\":null,\"image_data\":null,\"return_hidden_states\":false,\"logprob_start_len\":-1}");
        Assert.Equal(3, _app.Grid.Started.Count);
    }

    [Fact]
    public async Task Messages_become_the_template_s_text()
    {
        await _app.OkAsync("/v1/chat/completions",
            "{\"model\":\"tiny\",\"messages\":[{\"role\":\"developer\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
            + "{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":\"c\"},{\"role\":\"user\",\"content\":\"d\"}],\"chat_template_kwargs\":{\"mood\":\"gay\"}}");

        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n"
            + "<|im_start|>user\nd<|im_end|>\n<|im_start|>assistant\n(gay)",
            _app.Grid.Started.Single().PromptText);

        _app.Grid.Started.Clear();
        await _app.OkAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":false}");
        Assert.Equal("<|im_start|>user\nx<|im_end|>\n", _app.Grid.Started.Single().PromptText);
    }

    [Theory]
    [InlineData("0", 0ul, 0L)]
    [InlineData("9223372036854775807", 9223372036854775807ul, 9223372036854775807L)]
    [InlineData("18446744073709551615", ulong.MaxValue, -1L)]
    [InlineData("-1", ulong.MaxValue, -1L)]
    [InlineData("-9223372036854775808", 9223372036854775808ul, long.MinValue)]
    public async Task A_seed_is_any_64_bits_and_comes_back_in_signed_form(string given, ulong seed, long shown)
    {
        var chat = await _app.OkAsync("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"seed\":{given}}}");
        var generated = await _app.OkAsync("/generate", $"{{\"text\":\"x\",\"sampling_params\":{{\"sampling_seed\":{given}}}}}");

        Assert.All(_app.Grid.Started, spec => Assert.Equal(seed, spec.Generation.Sampling.Seed));
        Assert.Equal(shown, (long)chat["seed"]!);
        Assert.Equal(shown, (long)generated["meta_info"]!["sampling_seed"]!);
    }

    [Fact]
    public async Task A_missing_seed_is_drawn_once_and_replays_the_answer()
    {
        var first = await _app.OkAsync("/v1/completions", "{\"prompt\":[\"x\",\"y\"],\"n\":2,\"max_tokens\":40}");
        long seed = (long)first["seed"]!;
        Assert.InRange(seed, 0, (1L << 53) - 1);
        Assert.Equal([seed, seed + 1, seed, seed + 1], _app.Grid.Started.Select(spec => (long)spec.Generation.Sampling.Seed));

        var again = await _app.OkAsync("/v1/completions", $"{{\"prompt\":[\"x\",\"y\"],\"n\":2,\"max_tokens\":40,\"seed\":{seed}}}");
        Assert.Equal(first["choices"]!.ToJsonString(), again["choices"]!.ToJsonString());

        var other = await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.NotEqual(seed, (long)other["seed"]!);
    }

    [Fact]
    public async Task Every_answer_of_a_prompt_has_its_own_seed_counting_on_and_wrapping()
    {
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"n\":3,\"seed\":18446744073709551615}");
        Assert.Equal([ulong.MaxValue, 0ul, 1ul], _app.Grid.Started.Select(spec => spec.Generation.Sampling.Seed));
    }

    [Fact]
    public async Task Prompts_come_in_all_four_shapes_and_in_order()
    {
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"a\"}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":[\"b\",\"c\"]}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":[1,2]}");
        await _app.OkAsync("/v1/completions", "{\"prompt\":[[3],[4,5]]}");
        await _app.OkAsync("/generate", "{\"text\":[\"d\"]}");
        await _app.OkAsync("/generate", "{\"input_ids\":[6,7]}");
        await _app.OkAsync("/generate", "{\"input_ids\":[[8],[9]]}");

        Assert.Equal(["a", "b", "c", "1,2", "3", "4,5", "d", "6,7", "8", "9"],
            _app.Grid.Started.Select(spec => spec.PromptText ?? string.Join(',', spec.PromptIds!)));
    }

    [Fact]
    public async Task Generate_takes_lists_of_parameters_for_lists_of_prompts()
    {
        var items = await _app.OkAsync("/generate",
            "{\"text\":[\"ab\",\"cd\"],\"sampling_params\":[{\"temperature\":0,\"sampling_seed\":1},{\"temperature\":3,\"sampling_seed\":2,\"max_new_tokens\":2}],"
            + "\"return_logprob\":[true,false],\"logprob_start_len\":[0,-1],\"top_logprobs_num\":[2,0],\"rid\":[\"r1\",\"r2\"]}");

        var specs = _app.Grid.Started.ToArray();
        Assert.Equal([0f, 3f], specs.Select(spec => spec.Generation.Sampling.Temperature));
        Assert.Equal([1ul, 2ul], specs.Select(spec => spec.Generation.Sampling.Seed));
        Assert.Equal([128, 2], specs.Select(spec => spec.Generation.MaxNewTokens));
        Assert.Equal([true, false], specs.Select(spec => spec.Generation.Logprobs));
        Assert.Equal([0, null], specs.Select(spec => spec.Generation.PromptLogprobsFrom));
        Assert.Equal([2, 0], specs.Select(spec => spec.Generation.TopLogprobs));
        Assert.Equal(["r1", "r2"], items.AsArray().Select(item => (string)item!["meta_info"]!["id"]!));
    }

    [Fact]
    public async Task The_model_s_name_is_optional_while_one_is_served_and_checked_when_given()
    {
        var (status, body) = await _app.PostAsync("/v1/completions", "{\"prompt\":\"x\",\"model\":\"gpt-9\"}");
        Assert.Equal((404, "model_not_found", "model"), (status, (string)body["error"]!["code"]!, (string)body["error"]!["param"]!));

        _app.Grid.Models = [FakeSequenceService.Model, FakeSequenceService.Model with { Id = "other" }];
        (status, body) = await _app.PostAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal((400, "missing_required_parameter", "model"), (status, (string)body["error"]!["code"]!, (string)body["error"]!["param"]!));
        await _app.OkAsync("/generate", "{\"text\":\"x\",\"model\":\"other\"}");
        Assert.Equal("other", _app.Grid.Started.Single().Model);
    }

    [Fact]
    public async Task A_model_without_a_chat_template_completes_but_does_not_chat()
    {
        _app.Grid.Models = [FakeSequenceService.Model with { Text = TinyText.Load(withChat: false) }];
        var (status, body) = await _app.PostAsync("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
        Assert.Equal((400, "no_chat_template"), (status, (string)body["error"]!["code"]!));
        await _app.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
    }

    [Fact]
    public async Task Metadata_comes_back_and_the_user_is_logged_and_prompts_are_not()
    {
        var answer = await _app.OkAsync("/v1/completions", "{\"prompt\":\"secret words\",\"metadata\":{\"job\":\"7\"},\"user\":\"ann\\nforged\"}");
        Assert.Equal("{\"job\":\"7\"}", answer["metadata"]!.ToJsonString());
        await _app.PostAsync("/v1/completions", "{\"prompt\":\"secret words\",\"secret words\":1}");

        Assert.Contains(_app.Logs.Lines, line => line.Contains("user \"ann\\nforged\"", StringComparison.Ordinal));
        Assert.DoesNotContain(_app.Logs.Lines, line => line.Contains("secret", StringComparison.Ordinal));
    }
}
