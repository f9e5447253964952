using Grid.Determinism.Tests.Harness;
using Grid.Engine;

namespace Grid.Determinism.Tests;

public class RecomputationTests(DemoModelFixture demo)
{
    [Fact]
    public void A_preempted_sequence_keeps_its_bits()
    {
        var engine = demo.NewEngine(pages: 6, chunk: 50);
        SequenceResult[] results = [.. Enumerable.Range(0, 5).Select(i => engine.Submit(Requests.Make(Requests.Prompt(40 + (i * 5), i), 100, Requests.Sampling(i + 1))))];
        engine.RunToEnd();
        Assert.True(engine.Status.Preemptions >= 2, $"{engine.Status.Preemptions} preemptions");
        Assert.All(results, result => Bits.AssertSame(demo.Alone(result.Request), result));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(129)]
    [InlineData(192)]
    [InlineData(193)]
    public void A_prefix_hit_gives_the_bits_of_a_cold_start(int length)
    {
        int[] prompt = Requests.Prompt(200, 3);
        var request = Requests.Make(prompt[..length], 4, Requests.Sampling(3)) with { PromptLogprobsFrom = null };
        var engine = demo.NewEngine();
        engine.Run(Requests.Make(prompt, 1, Requests.Sampling(0)));
        var warm = engine.Run(request);
        Assert.Equal((length - 1) / 64 * 64, warm.CachedTokens);
        Bits.AssertSame(demo.Alone(request), warm);
    }

    /// <summary>Known output is drawn many tokens in a step; a wrong token in it is found where it is.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Its_own_output_drawn_again_at_once_has_the_bits_that_it_had(int sampling)
    {
        var request = Requests.Make(Requests.Prompt(30, sampling), 80, Requests.Sampling(sampling));
        var alone = demo.Alone(request);
        int[] output = alone.OutputIds;
        int[] wrong = [.. output];
        wrong[50] = (wrong[50] + 1) % 4000;
        foreach (int[] expected in (int[][])[output, wrong, output[..37]])
        {
            var engine = demo.NewEngine();
            Bits.AssertSame(alone, engine.Run(request with { ExpectedOutputIds = expected }));
            Assert.InRange(engine.Status.Steps, 1, 80 - expected.Length + (expected == wrong ? 31 : 3));
        }
    }

    [Theory]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(128)]
    [InlineData(129)]
    public void A_hit_on_part_of_a_prompt_gives_the_bits_of_a_cold_start(int shared)
    {
        int[] prompt = Requests.Prompt(200, 3);
        var request = Requests.Make([.. prompt[..shared], .. Requests.Prompt(70, 4)], 4, Requests.Sampling(2)) with { PromptLogprobsFrom = shared };
        var engine = demo.NewEngine();
        engine.Run(Requests.Make(prompt, 1, Requests.Sampling(0)));
        var warm = engine.Run(request);
        Assert.Equal((shared - 1) / 64 * 64, warm.CachedTokens);
        Bits.AssertSame(demo.Alone(request), warm);
    }

    [Fact]
    public void Equal_pages_after_different_prefixes_give_the_bits_of_a_cold_start()
    {
        int[] tail = Requests.Prompt(140, 8);
        var engine = demo.NewEngine();
        foreach (int prefix in new[] { 0, 64, 64, 128 })
        {
            var request = Requests.Make([.. Requests.Prompt(prefix, (int)engine.Status.Steps + 20), .. tail], 3, Requests.Sampling(2)) with { PromptLogprobsFrom = null };
            var result = engine.Run(request);
            Assert.Equal(0, result.CachedTokens);
            Bits.AssertSame(demo.Alone(request), result);
        }
    }

    [Fact]
    public void A_hit_beyond_an_attention_segment_gives_the_bits_of_a_cold_start()
    {
        int[] prompt = Requests.Prompt(1100, 5);
        var request = Requests.Make(prompt, 4, Requests.Sampling(1)) with { PromptLogprobsFrom = 1090 };
        var engine = demo.NewEngine();
        var cold = engine.Run(request);
        var warm = engine.Run(request);
        Assert.Equal((0, 1088), (cold.CachedTokens, warm.CachedTokens));
        Bits.AssertSame(cold, warm);
    }

    [Fact]
    public void Prefilling_its_own_output_gives_every_logprob_again()
    {
        foreach (int parameters in new[] { 0, 1, 2 })
        {
            var request = Requests.Make(Requests.Prompt(40, 6), 120, Requests.Sampling(parameters));
            var generated = demo.Alone(request);
            var again = request with
            {
                PromptIds = [.. request.PromptIds, .. generated.OutputIds],
                PromptLogprobsFrom = 0,
                MaxNewTokens = 1,
            };
            var scored = demo.Alone(again);
            Bits.AssertSame("logprobs", [.. generated.Prompt, .. generated.Output.Select(token => token with { Digest = null })], scored.Prompt); // Digests are of draws.
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(25)]
    [InlineData(89)]
    public void A_resumed_sequence_goes_on_as_if_undisturbed(int prior)
    {
        foreach (int parameters in new[] { 1, 2, 3, 5 })
        {
            var request = Requests.Make(Requests.Prompt(40, 7), 90, Requests.Sampling(parameters)) with { PromptLogprobsFrom = null };
            var undisturbed = demo.Alone(request);
            var resumed = demo.Alone(request with { PriorOutputIds = undisturbed.OutputIds[..prior] });
            Bits.AssertSame("output", [.. undisturbed.Output.Skip(prior)], resumed.Output);
        }
    }

    [Fact]
    public void Everything_at_once_changes_nothing()
    {
        Random random = new(5);
        var engine = demo.NewEngine(pages: 9, chunk: 37, batch: 64, running: 8, logitRows: 20);
        List<SequenceResult> results = [];
        for (int i = 0; i < 40; i++)
        {
            // Fixed lengths: what happens when does not depend on the model's weights.
            var request = Requests.Varied(i, maxPrompt: 120, maxOutput: 70) with { IgnoreEndTokens = true };
            if (i % 2 == 0)
            {
                request = request with { PromptIds = [.. Requests.Prompt(150, 100 + (i / 8)), .. request.PromptIds.Take(20)], PromptLogprobsFrom = null };
            }

            results.Add(engine.Submit(request));
            engine.Step(random.Next(12));
            if (i % 9 == 8)
            {
                engine.Cancel(results[^2]);
            }

            if (i % 13 == 12)
            {
                engine.Flush();
            }
        }

        engine.RunToEnd();
        var status = engine.Status;
        Assert.True(status.Preemptions > 0 && status.CachedPromptTokens > 0, status.ToString());
        foreach (var result in results)
        {
            var alone = demo.Alone(result.Request);
            if (result.Reason == FinishReason.Cancelled)
            {
                Bits.AssertStart(alone, result);
            }
            else
            {
                Bits.AssertSame(alone, result);
            }
        }
    }
}
