using Grid.Determinism.Tests.Harness;
using Grid.Engine;

namespace Grid.Determinism.Tests;

public class CrowdTests(DemoModelFixture demo)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(15)]
    [InlineData(33)]
    [InlineData(64)]
    [InlineData(128)]
    public void A_sequence_keeps_its_bits_in_a_crowd(int neighbours)
    {
        var sampled = Requests.Make(Requests.Prompt(70, 1000), 24, Requests.Sampling(2));
        var greedy = Requests.Make(Requests.Prompt(9, 1001), 24, Requests.Sampling(5));
        var engine = demo.NewEngine(pages: 400, chunk: 48, batch: 300);
        for (int i = 0; i < neighbours / 2; i++)
        {
            engine.Submit(Requests.Varied(i));
        }

        engine.Step();
        var first = engine.Submit(sampled);
        var second = engine.Submit(greedy);
        for (int i = neighbours / 2; i < neighbours; i++)
        {
            engine.Submit(Requests.Varied(i));
        }

        engine.RunToEnd();
        Bits.AssertSame(demo.Alone(sampled), first);
        Bits.AssertSame(demo.Alone(greedy), second);
    }

    [Fact]
    public void Every_sequence_of_a_crowd_keeps_its_bits()
    {
        var engine = demo.NewEngine(pages: 100, chunk: 31, batch: 90);
        SequenceResult[] crowd = [.. Enumerable.Range(0, 24).Select(i => engine.Submit(Requests.Varied(i)))];
        engine.RunToEnd();
        Assert.All(crowd, result => Bits.AssertSame(demo.Alone(result.Request), result));
    }

    [Fact]
    public void Cancelled_neighbours_change_nothing()
    {
        var request = Requests.Make(Requests.Prompt(70, 1000), 40, Requests.Sampling(3));
        var engine = demo.NewEngine(pages: 24, chunk: 40, batch: 60);
        SequenceResult[] neighbours = [.. Enumerable.Range(0, 14).Select(i => engine.Submit(Requests.Varied(i, maxOutput: 60) with { IgnoreEndTokens = true }))];
        var result = engine.Submit(request);
        for (int i = 0; i < neighbours.Length; i++)
        {
            engine.Step();
            engine.Cancel(i % 2 == 0 ? neighbours[^(1 + (i / 2))] : neighbours[1 + (i / 2)]);
        }

        engine.RunToEnd();
        Assert.Contains(neighbours, n => n.Reason == FinishReason.Cancelled && n.Output.Count > 0);
        Assert.Contains(neighbours, n => n.Reason == FinishReason.Cancelled && n.Output.Count == 0);
        Bits.AssertSame(demo.Alone(request), result);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(50)]
    public void The_size_of_logit_groups_changes_nothing(int logitRows)
    {
        var engine = demo.NewEngine(logitRows: logitRows);
        SequenceResult[] crowd = [.. Enumerable.Range(0, 6).Select(i => engine.Submit(Requests.Make(Requests.Prompt(10 + i, i), 4, Requests.Sampling(i))))];
        engine.RunToEnd();
        Assert.All(crowd, result => Bits.AssertSame(demo.Alone(result.Request), result));
    }
}
