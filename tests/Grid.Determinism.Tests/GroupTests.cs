using Grid.Determinism.Tests.Harness;
using Grid.Engine;

namespace Grid.Determinism.Tests;

/// <summary>Samples of one prompt, and questions behind one document: who computed the tokens that they share, and when, is in no bit.</summary>
public class GroupTests
{
    private static readonly int[] s_sizes = [2, 3, 16, 17, 64];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(2500)]
    public void Every_sequence_of_a_group_has_the_bits_that_it_has_alone(int shared)
    {
        using var model = ModelFixture.OfCheckpoint("random-qwen3");

        // Room for two of the prompts at a time: groups are preempted and their prompts evicted.
        using var engine = model.NewEngine(pages: 24 + (3 * shared / 64), chunk: 200, running: 48);
        var members = s_sizes.SelectMany((size, group) => Enumerable.Range(0, size).Select(i => (Group: group, Member: i))).ToArray();
        SequenceRequest RequestOf((int Group, int Member) one)
        {
            int kind = one.Member % 3;
            int[] prompt = [.. Requests.Prompt(shared, one.Group, model.Vocabulary), .. Requests.Prompt(1 + (kind * 40), 50 + kind, model.Vocabulary)];
            return Requests.Make(prompt, 3 + kind, Requests.Sampling(kind + one.Group)) with { PromptLogprobsFrom = null, Rank = one.Group % 2 };
        }

        // Those of a group come together or in the middle of the others' streams; some are called off.
        List<((int Group, int Member) One, SequenceResult Result)> results = [];
        foreach (var one in members)
        {
            results.Add((one, engine.Submit(RequestOf(one))));
            if (one.Member % 8 == 7)
            {
                engine.Step(one.Group);
            }

            if (one.Member % 16 == 14)
            {
                engine.Cancel(results[^3].Result);
            }
        }

        engine.RunToEnd();
        var alone = members.DistinctBy(one => (one.Group, one.Member % 3)).ToDictionary(one => (one.Group, one.Member % 3), one =>
        {
            using var fresh = model.NewEngine(pages: 64);
            return fresh.Run(RequestOf(one));
        });
        foreach (var (one, result) in results)
        {
            var expected = alone[(one.Group, one.Member % 3)];
            if (result.Reason == FinishReason.Cancelled)
            {
                Bits.AssertStart(expected, result);
            }
            else
            {
                Bits.AssertSame(expected, result);
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{engine.Status}");
        Assert.Contains(results, one => one.Result.Reason == FinishReason.Cancelled);
        Assert.True(shared < 64 || engine.Status.CachedPromptTokens > engine.Status.PromptTokens / 2);
        Assert.True(shared < 1000 || engine.Status.Preemptions > 0);
    }
}
