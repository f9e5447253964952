using Grid.Engine.Tests.Fakes;
using Grid.Engine.Tests.Harness;
using Grid.Numerics;

namespace Grid.Engine.Tests;

/// <summary>Output that is expected is drawn many tokens in a step, and nothing of the result depends on what was expected.</summary>
public sealed class ExpectedOutputTests
{
    private const int Tokens = 200;

    public static TheoryData<string> Kinds => ["plain", "seeded", "penalties", "min_tokens", "prompt scores", "prior"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_comes_as_expected_takes_a_few_steps(string kind)
    {
        var request = Request(kind);
        var harness = new EngineHarness();
        var log = harness.Run(request with { ExpectedOutputIds = Output(request) });
        Oracle.AssertMatches(log);
        Assert.InRange(harness.Status.Steps, 1, kind == "penalties" ? 6 : 3); // Alone, as many as there are tokens.
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void From_a_wrong_token_on_it_is_drawn_as_ever(string kind)
    {
        var request = Request(kind);
        int[] output = Output(request);
        foreach (int wrong in (int[])[0, 1, 62, 63, 64, 65, output.Length - 2, output.Length - 1])
        {
            foreach (int token in (int[])[6 + ((output[wrong] + 1) % 90), FakeMath.PoisonToken])
            {
                int[] expected = [.. output];
                expected[wrong] = token;
                var harness = new EngineHarness(new EngineOptions { KvPages = 9, PrefillChunkTokens = 50 });
                Oracle.AssertMatches(harness.Run(request with { ExpectedOutputIds = expected }));
            }
        }
    }

    [Fact]
    public void An_end_before_what_was_expected_is_the_end()
    {
        var request = Request("plain");
        int[] output = Output(request);
        int[] stop = [output[30]];
        int end = Array.IndexOf(output, output[30]);
        var log = new EngineHarness().Run(request with { ExpectedOutputIds = output, StopTokenIds = stop });
        Assert.Equal(output[..(end + 1)], log.TokenIds);
        Assert.Equal((FinishReason.Stop, output[30]), (log.End!.Reason, log.End.StopTokenId));
    }

    [Fact]
    public void More_than_may_come_and_what_is_no_token_are_refused()
    {
        var request = Request("prior");
        var harness = new EngineHarness();
        int most = Tokens - request.PriorOutputIds.Length;
        string tooMany = Assert.Throws<RefusedException>(() => harness.Submit(request with { ExpectedOutputIds = new int[most + 1] })).Message;
        Assert.Contains($"{most + 1}", tooMany, StringComparison.Ordinal);
        Assert.Contains($"at most {most}", tooMany, StringComparison.Ordinal);
        string none = Assert.Throws<RefusedException>(() => harness.Submit(request with { ExpectedOutputIds = [7, -1] })).Message;
        Assert.Contains("-1", none, StringComparison.Ordinal);
    }

    private static int[] Output(SequenceRequest request) => [.. Oracle.Run(request).Tokens.Select(token => token.TokenId)];

    private static SequenceRequest Request(string kind)
    {
        var request = EngineHarness.Request(EngineHarness.Prompt(40, salt: 3), Tokens) with { TopLogprobs = 2, Digests = kind != "plain" };
        var off = request.Sampling with { LogitBias = [new LogitBias(FakeMath.PoisonToken, -100f)] };
        return request with
        {
            Sampling = kind switch
            {
                "plain" => off with { Temperature = 0 },
                "penalties" => off with { Temperature = 0.8f, PresencePenalty = 0.5f, FrequencyPenalty = 0.3f, RepetitionPenalty = 1.1f },
                _ => off with { Temperature = 0.8f, TopP = 0.9f },
            },
            MinNewTokens = kind == "min_tokens" ? 100 : 0,
            StopTokenIds = kind == "min_tokens" ? [.. Enumerable.Range(6, 12)] : [],
            PromptLogprobsFrom = kind == "prompt scores" ? 5 : null,
            PriorOutputIds = kind == "prior" ? EngineHarness.Prompt(30, salt: 4) : [],
        };
    }
}
