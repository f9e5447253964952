using Grid.Engine.Tests.Fakes;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Harness;

/// <summary>What a request must give, worked out from its tokens alone: no pages, no batch, no engine.</summary>
internal sealed record Expectation(List<SampledToken> PromptScores, List<SampledToken> Tokens, FinishReason Reason, int? StopTokenId);

/// <summary>The fake model without an engine.</summary>
internal static class Oracle
{
    public static Expectation Run(SequenceRequest request, int maxPositions = 1024)
    {
        List<int> tokens = [.. request.PromptIds, .. request.PriorOutputIds];
        List<SampledToken> scores = [];
        for (int i = Math.Max(1, request.PromptLogprobsFrom ?? int.MaxValue); i < request.PromptIds.Length; i++)
        {
            scores.Add(Sample(tokens[..i], new SamplingRow { ScoredToken = tokens[i], Logprobs = true, TopLogprobs = request.TopLogprobs }));
        }

        List<SampledToken> output = [];
        int[] ending = [.. request.StopTokenIds, .. request.IgnoreEndTokens ? [] : new FakeModel().Config.EndTokenIds];
        while (true)
        {
            int outputs = tokens.Count - request.PromptIds.Length;
            var next = Sample(tokens, new SamplingRow
            {
                Parameters = request.Sampling,
                Position = tokens.Count,
                History = History(request, tokens),
                BannedTokens = outputs < request.MinNewTokens ? [.. ending.Order()] : [],
                Logprobs = request.Logprobs,
                TopLogprobs = request.Logprobs ? request.TopLogprobs : 0,
                Digest = request.Digests,
            });
            output.Add(next);
            tokens.Add(next.TokenId);
            if (ending.Contains(next.TokenId))
            {
                return new Expectation(scores, output, FinishReason.Stop, next.TokenId);
            }

            if (outputs + 1 == request.MaxNewTokens || tokens.Count == maxPositions)
            {
                return new Expectation(scores, output, FinishReason.Length, null);
            }
        }
    }

    /// <summary>The log is, bit for bit, what the request must give.</summary>
    public static void AssertMatches(SequenceLog log, int maxPositions = 1024)
    {
        var expected = Run(log.Request, maxPositions);
        AssertSame("prompt", expected.PromptScores, log.PromptScores, log.PromptScores.Count);
        AssertSame("output", expected.Tokens, log.Tokens, log.Tokens.Count);
        Assert.Equal((expected.PromptScores.Count, expected.Tokens.Count), (log.PromptScores.Count, log.Tokens.Count));
        Assert.Equal((expected.Reason, expected.StopTokenId), (log.End!.Reason, log.End.StopTokenId));
    }

    /// <summary>What the log has so far is a prefix of what the request must give.</summary>
    public static void AssertPrefix(SequenceLog log)
    {
        var expected = Run(log.Request);
        AssertSame("prompt", expected.PromptScores, log.PromptScores, log.PromptScores.Count);
        AssertSame("output", expected.Tokens, log.Tokens, log.Tokens.Count);
    }

    private static void AssertSame(string what, List<SampledToken> expected, List<SampledToken> actual, int count)
    {
        for (int i = 0; i < Math.Min(count, expected.Count); i++)
        {
            Assert.True(Bits(expected[i]) == Bits(actual[i]), $"{what} token {i}: expected {Bits(expected[i])}, got {Bits(actual[i])}");
        }
    }

    private static string Bits(SampledToken token) =>
        $"{token.TokenId}:{BitConverter.SingleToUInt32Bits(token.Logprob):X8} {token.Digest} " +
        string.Join(' ', token.Top.Select(t => $"{t.TokenId}:{BitConverter.SingleToUInt32Bits(t.Logprob):X8}"));

    private static SampledToken Sample(List<int> prefix, SamplingRow row)
    {
        ulong hash = 0;
        for (int i = 0; i < prefix.Count; i++)
        {
            hash = FakeMath.Mix(hash, FakeMath.Slot(i, prefix[i]));
        }

        float[] logits = [.. Enumerable.Range(0, FakeMath.Vocabulary).Select(v => FakeMath.Logit(hash, v))];
        return FakeMath.Sample(logits, row);
    }

    private static TokenHistory History(SequenceRequest request, List<int> tokens)
    {
        TokenHistory history = new();
        foreach (int id in request.PromptIds)
        {
            history.AddPrompt(id);
        }

        foreach (int id in tokens.Skip(request.PromptIds.Length))
        {
            history.AddOutput(id);
        }

        return history;
    }
}
