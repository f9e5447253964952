using Grid.Engine.Tests.Fakes;
using Grid.Engine.Tests.Harness;
using Grid.Models.Operations;

namespace Grid.Engine.Tests;

public class AllocationTests
{
    [Fact]
    public void A_decode_step_allocates_its_events_and_nothing_else()
    {
        FakeModel model = new() { RecordPasses = false };
        InferenceEngine engine = new(model, new FakeOperations(), new EngineOptions { KvPages = 300 });
        for (int i = 0; i < 32; i++)
        {
            var request = EngineHarness.Request(EngineHarness.Prompt(40 + i, i), 400, (ulong)i) with
            {
                Id = new SequenceId(Guid.NewGuid(), 0),
                MinNewTokens = 300,
                StopTokenIds = [4],
                Sampling = new() { Seed = (ulong)i, FrequencyPenalty = 0.5f },
            };
            Assert.True(engine.TrySubmit(request));
        }

        // Warm: all token ids in every history, all lists at their size.
        for (int i = 0; i < 200; i++)
        {
            engine.Step();
        }

        int events = 0, measured = 0;
        long bytes = 0;
        for (int i = 0; i < 96; i++)
        {
            int made = 0;
            long? step = AllocatedBytes.TryMeasure(() => made = engine.Step().Count);
            events += made;
            measured += step is null ? 0 : made;
            bytes += step ?? 0;
        }

        Assert.Equal(96 * 32, events);
        Assert.InRange(measured, 90 * 32, events);
        // Beyond the events: every 64 tokens a node of the prefix tree with its 64 token ids, until every page has one.
        double beyond = ((double)bytes / measured) - EventBytes();
        TestContext.Current.TestOutputHelper?.WriteLine($"{EventBytes()} bytes an event, {beyond:F2} bytes a token beyond");
        Assert.InRange(beyond, 0, 8);
    }

    private static double EventBytes()
    {
        SampledToken token = new(1, 0f, [], false);
        var events = new TokenGenerated[1000];
        return AllocatedBytes.Measure(() =>
        {
            for (int i = 0; i < events.Length; i++)
            {
                events[i] = new TokenGenerated(default, i, token);
            }
        }) / (double)events.Length;
    }
}
