using Grid.Cpu;
using Grid.Determinism.Tests.Harness;

namespace Grid.Determinism.Tests;

/// <summary>What the other tests here claim of the demo model, of a small checkpoint of every other architecture.</summary>
public class ArchitectureTests
{
    /// <summary>Folders of tests/Grid.Models.Tests/Reference.</summary>
    public static TheoryData<string> Checkpoints => ["random-llama", "random-qwen2", "random-qwen3-moe", "random-qwen3-moe-mixed"];

    /// <summary>Checkpoints in every form of the device.</summary>
    public static TheoryData<string, CpuInstructionSet, int> Forms
    {
        get
        {
            var forms = new TheoryData<string, CpuInstructionSet, int>();
            foreach (var name in Checkpoints)
            {
                forms.Add(name.Data, CpuInstructionSet.Avx512, 0);
                forms.Add(name.Data, CpuInstructionSet.Avx2, 0);
                forms.Add(name.Data, CpuInstructionSet.Portable, 0);
                forms.Add(name.Data, CpuInstructionSet.Auto, 1);
                forms.Add(name.Data, CpuInstructionSet.Auto, 3);
            }

            return forms;
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Every_sequence_of_a_crowd_keeps_its_bits(string name)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        var engine = model.NewEngine(pages: 100, chunk: 31, batch: 90);
        SequenceResult[] crowd = [.. Enumerable.Range(0, 40).Select(i => engine.Submit(Requests.Varied(i, tokens: model.Vocabulary)))];
        engine.RunToEnd();
        Assert.All(crowd, result => Bits.AssertSame(model.Alone(result.Request), result));
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Every_chunk_size_gives_the_same_bits(string name)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        var request = Requests.Make(Requests.Prompt(140, 1, model.Vocabulary), 3, Requests.Sampling(2));
        var whole = model.NewEngine(pages: 3, chunk: 140).Run(request);
        foreach (int chunk in (int[])[1, 2, 7, 8, 9, 63, 64, 65, 128, 139])
        {
            Bits.AssertSame(whole, model.NewEngine(pages: 3, chunk: chunk).Run(request));
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void A_preempted_sequence_keeps_its_bits(string name)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        var engine = model.NewEngine(pages: 6, chunk: 50);
        SequenceResult[] results =
            [.. Enumerable.Range(0, 5).Select(i => engine.Submit(Requests.Make(Requests.Prompt(40 + (i * 5), i, model.Vocabulary), 100, Requests.Sampling(i + 1))))];
        engine.RunToEnd();
        Assert.True(engine.Status.Preemptions >= 2, $"{engine.Status.Preemptions} preemptions");
        Assert.All(results, result => Bits.AssertSame(model.Alone(result.Request), result));
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void A_prefix_hit_gives_the_bits_of_a_cold_start(string name)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        int[] prompt = Requests.Prompt(200, 3, model.Vocabulary);
        var engine = model.NewEngine();
        engine.Run(Requests.Make(prompt, 1, Requests.Sampling(0)));
        foreach (int length in (int[])[63, 64, 65, 128, 129, 193])
        {
            var request = Requests.Make(prompt[..length], 4, Requests.Sampling(3)) with { PromptLogprobsFrom = null };
            var warm = engine.Run(request);
            Assert.Equal((length - 1) / 64 * 64, warm.CachedTokens);
            Bits.AssertSame(model.Alone(request), warm);
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Prefilling_its_own_output_gives_every_logprob_again_and_resuming_it_every_token(string name)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        var request = Requests.Make(Requests.Prompt(40, 6, model.Vocabulary), 120, Requests.Sampling(2));
        var generated = model.Alone(request);
        var scored = model.Alone(request with
        {
            PromptIds = [.. request.PromptIds, .. generated.OutputIds],
            PromptLogprobsFrom = 0,
            MaxNewTokens = 1,
        });
        Bits.AssertSame("logprobs", [.. generated.Prompt, .. generated.Output.Select(token => token with { Digest = null })], scored.Prompt); // Digests are of draws.

        var resumed = model.Alone(request with { PriorOutputIds = generated.OutputIds[..25], PromptLogprobsFrom = null });
        Bits.AssertSame("output", [.. generated.Output.Skip(25)], resumed.Output);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Instruction_set_and_cores_change_nothing(string name, CpuInstructionSet set, int threads)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(set), $"This machine has no {set}.");
        using var model = ModelFixture.OfCheckpoint(name);
        using var form = ModelFixture.OfCheckpoint(name, new CpuOptions { InstructionSet = set, Threads = threads });
        var engine = form.NewEngine(chunk: 30, batch: 64);
        SequenceResult[] results =
            [.. Enumerable.Range(0, 8).Select(i => engine.Submit(Requests.Varied(i, maxPrompt: 120, maxOutput: 12, tokens: model.Vocabulary)))];
        engine.RunToEnd();
        Assert.All(results, result => Bits.AssertSame(model.Alone(result.Request), result));
    }
}
