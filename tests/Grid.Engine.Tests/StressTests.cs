using Grid.Engine.Tests.Fakes;
using Grid.Engine.Tests.Harness;
using Grid.Numerics;

namespace Grid.Engine.Tests;

public class StressTests
{
    [Theory]
    [InlineData(1, 10, 1024, 256, false)]
    [InlineData(1, 10, 1024, 256, true)]
    [InlineData(2, 10, 16, 7, false)]
    [InlineData(2, 10, 16, 7, true)]
    [InlineData(3, 12, 64, 64, false)]
    [InlineData(3, 12, 64, 64, true)]
    [InlineData(4, 24, 5, 1, false)]
    [InlineData(4, 24, 5, 1, true)]
    [InlineData(5, 9, 300, 100, false)]
    [InlineData(5, 9, 300, 100, true)]
    [InlineData(6, 40, 512, 256, false)]
    [InlineData(6, 40, 512, 256, true)]
    [InlineData(7, 10, 33, 16, false)]
    [InlineData(7, 10, 33, 16, true)]
    [InlineData(8, 14, 128, 3, false)]
    [InlineData(8, 14, 128, 3, true)]
    public void Whatever_happens_around_it_a_sequence_gives_what_it_gives_alone(int seed, int pages, int batch, int chunk, bool ahead)
    {
        Random random = new(seed), expecting = new(seed + 2000), copying = new(seed + 3000);
        EngineHarness harness = new(
            new EngineOptions
            {
                KvPages = pages,
                MaxBatchTokens = batch,
                PrefillChunkTokens = chunk,
                MaxRunningSequences = 12,
                MaxLogitRows = (ahead ? 4 : 1) + random.Next(9),
            },
            ahead: ahead);
        List<SequenceLog> logs = [];
        for (int step = 0; step < 1500; step++)
        {
            if (random.Next(12) == 0 && harness.Status.Waiting < 20)
            {
                var request = Expecting(expecting, RandomRequest(random, logs, penalties: !ahead || random.Next(12) == 0));
                logs.Add(harness.Submit(request));
                for (int copies = copying.Next(8) == 0 ? copying.Next(6) : 0; copies > 0; copies--)
                {
                    // Samples of one prompt, of which some are called off as others are.
                    logs.Add(harness.Submit(request with { ExpectedOutputIds = [], Sampling = request.Sampling with { Seed = (ulong)copies } }));
                }
            }

            if (random.Next(60) == 0 && logs.Count > 0)
            {
                harness.Cancel(logs[^(1 + random.Next(Math.Min(8, logs.Count)))]);
            }

            if (random.Next(200) == 0)
            {
                harness.Engine.RequestFlush();
            }

            harness.Step();
        }

        harness.RunToEnd();
        foreach (var log in logs)
        {
            CheckEnd(log);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{logs.Count} sequences, {harness.Operations.StepsAhead} steps ahead, {harness.Status}");
        Assert.Equal(ahead, harness.Operations.StepsAhead > 0);
        Assert.Contains(logs, l => l.End!.Reason == FinishReason.Cancelled);
        Assert.True(harness.Status.CachedPromptTokens > 0);
        Assert.True(pages > 14 || harness.Status.Preemptions > 0);
    }

    private static void CheckEnd(SequenceLog log)
    {
        bool poisoned = log.Request.PromptIds.Contains(FakeMath.PoisonToken);
        if (log.End!.Reason == FinishReason.Cancelled)
        {
            Oracle.AssertPrefix(log);
        }
        else if (poisoned || log.End.Reason == FinishReason.Failed)
        {
            Assert.Equal(FinishReason.Failed, log.End.Reason);
            Assert.True(poisoned || log.TokenIds.Contains(FakeMath.PoisonToken));
        }
        else
        {
            Oracle.AssertMatches(log);
        }
    }

    private static SequenceRequest RandomRequest(Random random, List<SequenceLog> earlier, bool penalties)
    {
        int[] prompt = RandomPrompt(random, earlier);
        return new SequenceRequest
        {
            Id = default,
            PromptIds = prompt,
            PriorOutputIds = random.Next(5) == 0 ? EngineHarness.Prompt(1 + random.Next(90), random.Next()) : [],
            MaxNewTokens = 91 + random.Next(150),
            MinNewTokens = random.Next(3) * 30,
            Rank = random.Next(2) * random.Next(30),
            CacheSalt = random.Next(4) == 0 ? "other" : "",
            Logprobs = random.Next(2) == 0,
            PromptLogprobsFrom = random.Next(4) == 0 ? random.Next(prompt.Length + 1) : null,
            IgnoreEndTokens = random.Next(4) != 0,
            StopTokenIds = random.Next(5) == 0 ? [40, 20] : [],
            Sampling = new SamplingParameters
            {
                Temperature = random.Next(3) * 0.7f,
                Seed = (ulong)random.NextInt64(),
                TopK = random.Next(50),
                TopP = 1f - (random.Next(9) * 0.1f),
                PresencePenalty = penalties ? random.Next(2) : 0,
                FrequencyPenalty = penalties ? random.Next(2) * 0.5f : 0,
                RepetitionPenalty = penalties ? 1f + (random.Next(2) * 0.2f) : 1,
                LogitBias = random.Next(3) == 0 ? [new LogitBias(12, 1.5f), new LogitBias(FakeMath.PoisonToken, -100f)] : [new LogitBias(FakeMath.PoisonToken, -100f)],
            },
        };
    }

    /// <summary>Now and then with output that is expected: what comes, or that with a wrong token somewhere.</summary>
    private static SequenceRequest Expecting(Random random, SequenceRequest request)
    {
        if (random.Next(4) > 0 || request.PromptIds.Contains(FakeMath.PoisonToken))
        {
            return request;
        }

        int[] expected = [.. Oracle.Run(request).Tokens.Select(token => token.TokenId).TakeWhile(id => id != FakeMath.PoisonToken)];
        expected = expected[..random.Next(expected.Length + 1)];
        if (expected.Length > 0 && random.Next(2) == 0)
        {
            expected[random.Next(expected.Length)] = random.Next(3) == 0 ? FakeMath.PoisonToken : 6 + random.Next(90);
        }

        return request with { ExpectedOutputIds = expected };
    }

    /// <summary>Often a prefix of an earlier prompt and its output, so that the prefix cache has work to do.</summary>
    private static int[] RandomPrompt(Random random, List<SequenceLog> earlier)
    {
        int[] own = EngineHarness.Prompt(1 + random.Next(120), random.Next());
        if (random.Next(40) == 0)
        {
            own[^1] = FakeMath.PoisonToken;
        }

        if (random.Next(3) == 0 || earlier.Count == 0)
        {
            return own;
        }

        var log = earlier[^(1 + random.Next(Math.Min(6, earlier.Count)))];
        int[] before = [.. log.Request.PromptIds, .. log.Request.PriorOutputIds, .. log.TokenIds];
        return [.. before.Take(Math.Min(180, random.Next(before.Length + 1))), .. own];
    }
}
