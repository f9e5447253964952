using Grid.Determinism.Tests.Harness;

namespace Grid.Determinism.Tests;

public class StepCostTests(DemoModelFixture demo)
{
    [Fact]
    public void A_decode_step_allocates_little_beyond_its_events_on_any_thread()
    {
        const int Sequences = 16;
        var engine = demo.NewEngine(pages: 80);
        for (int i = 0; i < Sequences; i++)
        {
            var request = Requests.Make(Requests.Prompt(20, i), 120, new() { Seed = (ulong)i, TopK = 50, TopP = 0.9f });
            engine.Submit(request with { Logprobs = false, TopLogprobs = 0, PromptLogprobsFrom = null });
        }

        engine.Step(60);
        long tokens = engine.Status.GeneratedTokens;
        long before = GC.GetTotalAllocatedBytes(precise: true);
        engine.Step(50);
        long bytes = GC.GetTotalAllocatedBytes(precise: true) - before;
        tokens = engine.Status.GeneratedTokens - tokens;
        Assert.Equal(50 * Sequences, tokens);
        TestContext.Current.TestOutputHelper?.WriteLine($"{(double)bytes / tokens:F1} bytes a token");
        // 64 of the event, the rest tree nodes, the harness's own lists and what the test host does meanwhile.
        Assert.InRange((double)bytes / tokens, 0, 256);
    }
}
