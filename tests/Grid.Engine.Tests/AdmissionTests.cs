using Grid.Engine.Tests.Fakes;
using Grid.Engine.Tests.Harness;
using Grid.Numerics;

namespace Grid.Engine.Tests;

public class AdmissionTests
{
    private static readonly SequenceRequest _good = EngineHarness.Request([10, 11, 12], 5) with { Id = new SequenceId(Guid.NewGuid(), 0) };

    public static TheoryData<string, SequenceRequest, string> BadRequests() => new()
    {
        { "PromptIds", _good with { PromptIds = [] }, "PromptIds is empty; it must hold at least one token." },
        { "PromptIds", _good with { PromptIds = null! }, "PromptIds is null; it must be an array of token ids." },
        { "PromptIds", _good with { PromptIds = [1, 97] }, "PromptIds[1] is 97; it must be a token id from 0 to 96." },
        { "PromptIds", _good with { PromptIds = [-1] }, "PromptIds[0] is -1; it must be a token id from 0 to 96." },
        { "PromptIds.Length", _good with { PromptIds = new int[1024] }, "PromptIds.Length is 1024; it must be at most 1023: the model has 1024 positions and one is for output." },
        { "PriorOutputIds", _good with { PriorOutputIds = [200] }, "PriorOutputIds[0] is 200; it must be a token id from 0 to 96." },
        { "PriorOutputIds.Length", _good with { PriorOutputIds = new int[5] }, "PriorOutputIds.Length is 5; it must be less than MaxNewTokens, which is 5." },
        { "PriorOutputIds.Length", _good with { PriorOutputIds = new int[1021], MaxNewTokens = 5000 }, "PriorOutputIds.Length is 1021; it must be at most 1020: with 3 prompt tokens, one of 1024 positions is for output." },
        { "MaxNewTokens", _good with { MaxNewTokens = null }, "MaxNewTokens is null; it must be a number: the sequence's gateway settles it." },
        { "MaxNewTokens", _good with { MaxNewTokens = 0 }, "MaxNewTokens is 0; it must be at least 1." },
        { "MinNewTokens", _good with { MinNewTokens = -1 }, "MinNewTokens is -1; it must be from 0 to MaxNewTokens, which is 5." },
        { "MinNewTokens", _good with { MinNewTokens = 6 }, "MinNewTokens is 6; it must be from 0 to MaxNewTokens, which is 5." },
        { "MinNewTokens", _good with { MinNewTokens = 1, StopTokenIds = [.. Enumerable.Range(0, 97)] }, "MinNewTokens is 1; it must be 0 when every token of the vocabulary ends the sequence." },
        { "StopTokenIds", _good with { StopTokenIds = [97] }, "StopTokenIds[0] is 97; it must be a token id from 0 to 96." },
        { "TopLogprobs", _good with { TopLogprobs = -1 }, "TopLogprobs is -1; it must be from 0 to 97." },
        { "TopLogprobs", _good with { TopLogprobs = 98 }, "TopLogprobs is 98; it must be from 0 to 97." },
        { "TopLogprobs", _good with { TopLogprobs = 1, Logprobs = false }, "TopLogprobs is 1; it must be 0 unless Logprobs or PromptLogprobsFrom asks for logprobs." },
        { "PromptLogprobsFrom", _good with { PromptLogprobsFrom = -1 }, "PromptLogprobsFrom is -1; it must be a prompt index from 0 to 3 (3 scores nothing)." },
        { "PromptLogprobsFrom", _good with { PromptLogprobsFrom = 4 }, "PromptLogprobsFrom is 4; it must be a prompt index from 0 to 3 (3 scores nothing)." },
        { "Temperature", With(new() { Temperature = -0.5f }), "Temperature is -0.5; it must be finite and at least 0." },
        { "Temperature", With(new() { Temperature = float.NaN }), "Temperature is NaN; it must be finite and at least 0." },
        { "Temperature", With(new() { Temperature = float.PositiveInfinity }), "Temperature is Infinity; it must be finite and at least 0." },
        { "TopP", With(new() { TopP = 0f }), "TopP is 0; it must be above 0 and at most 1." },
        { "TopP", With(new() { TopP = float.NaN }), "TopP is NaN; it must be above 0 and at most 1." },
        { "TopK", With(new() { TopK = -1 }), "TopK is -1; it must be at least 0 (0 keeps all tokens)." },
        { "MinP", With(new() { MinP = 1.5f }), "MinP is 1.5; it must be from 0 to 1." },
        { "PresencePenalty", With(new() { PresencePenalty = 2.5f }), "PresencePenalty is 2.5; it must be from -2 to 2." },
        { "FrequencyPenalty", With(new() { FrequencyPenalty = float.NaN }), "FrequencyPenalty is NaN; it must be from -2 to 2." },
        { "RepetitionPenalty", With(new() { RepetitionPenalty = 0f }), "RepetitionPenalty is 0; it must be finite and above 0." },
        { "LogitBias.TokenId", With(new() { LogitBias = [new(97, 1f)] }), "LogitBias[0].TokenId is 97; it must be a token id from 0 to 96." },
        { "LogitBias.TokenId", With(new() { LogitBias = [new(9, 1f), new(9, 1f)] }), "LogitBias[1].TokenId is 9; it must be above the one before it: biases ascend by token id, one each." },
        { "LogitBias.Bias", With(new() { LogitBias = [new(9, 101f)] }), "LogitBias[0].Bias is 101; it must be from -100 to 100." },
        { "Sampling", _good with { Sampling = null! }, "Sampling is null; it must be given." },
        { "MaxNewTokens", _good with { MaxNewTokens = 600 }, "MaxNewTokens is 600; it must let prompt and output (603 tokens, 10 pages) fit in this worker's 8 KV pages of 64 tokens." },
    };

    [Theory]
    [MemberData(nameof(BadRequests), DisableDiscoveryEnumeration = true)]
    public void A_request_that_cannot_run_is_refused_with_field_value_and_rule(string field, SequenceRequest request, string message)
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 8 });
        var running = harness.Submit(EngineHarness.Request([7, 8], 20));
        harness.Step();
        var refused = Assert.Throws<RefusedException>(() => harness.Engine.TrySubmit(request));
        Assert.Equal((RefusalKind.Invalid, field), (refused.Refusal.Kind, refused.Refusal.Field));
        Assert.Equal(message, refused.Message);
        harness.RunToEnd();
        Oracle.AssertMatches(running);
    }

    [Fact]
    public void Limits_are_inclusive()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 16 });
        harness.Run(EngineHarness.Request(EngineHarness.Prompt(1023), 1) with { TopLogprobs = 97, PromptLogprobsFrom = 1023 });
        harness.Run(With(new()
        {
            Temperature = 0f,
            TopP = 1f,
            MinP = 1f,
            PresencePenalty = -2f,
            FrequencyPenalty = 2f,
            RepetitionPenalty = 1e-3f,
            LogitBias = [new(0, -100f), new(96, -100f)],
        }));
        Assert.Equal(6, harness.Run(EngineHarness.Request([9], 6) with { MinNewTokens = 6, IgnoreEndTokens = false }).Tokens.Count);
    }

    [Fact]
    public void A_sequence_exactly_as_long_as_the_pages_runs_and_one_token_more_is_refused()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 2 });
        Oracle.AssertMatches(harness.Run(EngineHarness.Request(EngineHarness.Prompt(100), 29)));
        Assert.Throws<RefusedException>(() => harness.Engine.TrySubmit(EngineHarness.Request(EngineHarness.Prompt(100), 30)));
    }

    [Theory]
    [InlineData(0, 1, 1, 1, 1, 1, "MaxBatchTokens is 0; it must be from 1 to 4096, the rows that the model takes.")]
    [InlineData(4097, 1, 1, 1, 1, 1, "MaxBatchTokens is 4097; it must be from 1 to 4096, the rows that the model takes.")]
    [InlineData(1, 0, 1, 1, 1, 1, "MaxRunningSequences is 0; it must be at least 1.")]
    [InlineData(1, 1, 0, 1, 1, 1, "PrefillChunkTokens is 0; it must be at least 1.")]
    [InlineData(1, 1, 1, 0, 1, 1, "KvPages is 0; it must be at least 1.")]
    [InlineData(1, 1, 1, 1, 0, 1, "MaxWaitingSequences is 0; it must be at least 1.")]
    [InlineData(1, 1, 1, 1, 1, 0, "MaxLogitRows is 0; it must be at least 1.")]
    public void An_option_out_of_range_is_refused(int batch, int running, int chunk, int pages, int waiting, int logitRows, string message)
    {
        EngineOptions options = new()
        {
            MaxBatchTokens = batch,
            MaxRunningSequences = running,
            PrefillChunkTokens = chunk,
            KvPages = pages,
            MaxWaitingSequences = waiting,
            MaxLogitRows = logitRows,
        };
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(
            () => new InferenceEngine(new FakeModel(), new FakeOperations(), options));
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_waiting_queue_refuses_and_takes_again_when_there_is_room()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxWaitingSequences = 2, MaxRunningSequences = 1 });
        var first = harness.Submit(EngineHarness.Request([9], 3));
        var second = harness.Submit(EngineHarness.Request([10], 3));
        var third = harness.Submit(EngineHarness.Request([11], 3)); // One will run.
        Assert.False(harness.Engine.TrySubmit(_good));
        Assert.Equal((3, 0), (harness.Status.Waiting, harness.Status.Room));
        harness.Step();
        Assert.Equal((1, 2, 0), (harness.Status.Running, harness.Status.Waiting, harness.Status.Room));
        Assert.False(harness.Engine.TrySubmit(_good));
        var accepted = harness.Submit(EngineHarness.Request([12], 3) with { BypassesQueueLimit = true });
        harness.RunToEnd();
        Assert.All([first, second, third, accepted], log => Oracle.AssertMatches(log));
        Assert.True(harness.Engine.TrySubmit(_good));
    }

    [Fact]
    public void An_id_is_one_sequence_at_a_time()
    {
        EngineHarness harness = new();
        var log = harness.Submit(_good);
        Assert.Equal("Id", Assert.Throws<RefusedException>(() => harness.Engine.TrySubmit(_good)).Refusal.Field);
        harness.Step();
        Assert.Throws<RefusedException>(() => harness.Engine.TrySubmit(_good));
        var nextEpoch = harness.Submit(_good with { Id = _good.Id with { Epoch = 1 } });
        harness.RunToEnd();
        Assert.Equal(log.TokenIds, nextEpoch.TokenIds);
        Assert.Equal(log.TokenIds, harness.Run(_good).TokenIds);
    }

    [Fact]
    public void First_come_is_first_served()
    {
        EngineHarness harness = new(new EngineOptions { KvPages = 64, MaxRunningSequences = 1 });
        SequenceLog[] logs = [.. Enumerable.Range(0, 5).Select(i => harness.Submit(EngineHarness.Request([9 + i], 2)))];
        List<SequenceId> ended = [];
        while (harness.Status.Running + harness.Status.Waiting > 0)
        {
            ended.AddRange(harness.Step().OfType<SequenceFinished>().Select(e => e.Id));
        }

        Assert.Equal(logs.Select(l => l.Request.Id), ended);
    }

    [Fact]
    public void The_caller_may_reuse_the_arrays_of_a_submitted_request()
    {
        EngineHarness harness = new();
        int[] prompt = [10, 11, 12];
        var request = EngineHarness.Request(prompt, 8) with { Id = new SequenceId(Guid.NewGuid(), 0) };
        var expected = Oracle.Run(request);
        var log = harness.Submit(request);
        prompt.AsSpan().Fill(9999);
        harness.RunToEnd();
        Assert.Equal(expected.Tokens.Select(t => t.TokenId), log.TokenIds);
    }

    private static SequenceRequest With(SamplingParameters sampling) => _good with { Sampling = sampling };
}
