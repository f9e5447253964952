using Grid.Engine.Tests.Harness;

namespace Grid.Engine.Tests;

public class WarmUpTests
{
    [Theory]
    [InlineData(1, 16)]
    [InlineData(1, 5000)]
    [InlineData(3, 5000)]
    [InlineData(64, 16)]
    [InlineData(64, 300)]
    public void A_warm_up_computes_its_prompts_and_leaves_nothing_behind(int pages, int promptTokens)
    {
        var harness = new EngineHarness(new EngineOptions { KvPages = pages });
        var before = harness.Status;
        harness.Engine.WarmUp(promptTokens);
        harness.Engine.WarmUp(promptTokens);
        var slices = harness.Model.Passes.SelectMany(pass => pass).ToArray();
        int longest = slices.Max(slice => slice.Position + slice.Rows);
        Assert.Equal(Math.Min(promptTokens, (64 * pages) - 4) + 3, longest); // The last of four new tokens is not computed.
        Assert.Equal(before, harness.Status);
        PageAudit.Check(harness.Engine);

        // The warm-up's own prompt, and pages that held something: all is computed, and right.
        int[] prompt = [.. WarmUpRequests.Create(promptTokens, 64 * pages, harness.Model.Config.VocabularySize).First().PromptIds];
        var first = harness.Run(EngineHarness.Request(prompt, 4));
        Oracle.AssertMatches(first);
        Assert.Equal(0, first.CachedTokens);
    }

    /// <summary>Four ways to draw and to score: a queue for one may not leave three of them cold.</summary>
    [Fact]
    public void A_short_waiting_queue_leaves_out_no_part_of_a_round()
    {
        var harness = new EngineHarness(new EngineOptions { KvPages = 64, MaxWaitingSequences = 1 });
        harness.Engine.WarmUp(16);
        Assert.Equal(4, harness.Model.Passes.Max(pass => pass.Length));
    }

    [Fact]
    public void A_model_without_room_for_a_round_is_not_warmed_up()
    {
        var harness = new EngineHarness(new EngineOptions { KvPages = 1 }, maxPositions: 4);
        harness.Engine.WarmUp(16);
        Assert.Empty(harness.Model.Passes);
        Oracle.AssertMatches(harness.Run(EngineHarness.Request([7], 2)));
    }
}
