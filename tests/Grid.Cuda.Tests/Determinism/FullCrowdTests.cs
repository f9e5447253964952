using Grid.Cpu;
using Grid.Cuda;
using Grid.Cuda.Tests;
using Grid.Determinism.Tests.Harness;
using Grid.Engine;
using Grid.Models;
using Bits = Grid.Determinism.Tests.Harness.Bits;

namespace Grid.Determinism.Tests;

/// <summary>Batches of up to 512 rows on the GPU, and the CPU beside them.</summary>
public class FullCrowdTests(DemoModelFixture demo, OperationsFixture device)
{
    /// <summary>Crowds that fall into every bucket of recorded passes, at its edges and between.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(12)]
    [InlineData(17)]
    [InlineData(32)]
    [InlineData(40)]
    [InlineData(64)]
    [InlineData(90)]
    [InlineData(128)]
    [InlineData(150)]
    [InlineData(200)]
    [InlineData(256)]
    [InlineData(300)]
    [InlineData(384)]
    [InlineData(500)]
    [InlineData(512)]
    public void A_sequence_keeps_its_bits_whatever_the_batch(int rows)
    {
        var engine = demo.NewEngine(pages: 1100, chunk: 64, batch: 512, running: 512);
        var request = Requests.Make(Requests.Prompt(61, 1000), 12, Requests.Sampling(2));
        SequenceResult[] crowd =
        [
            .. Enumerable.Range(0, rows - 1).Select(i => engine.Submit(Requests.Make(Requests.Prompt(1 + (i % 9), i), 24, Requests.Sampling(i)))),
            engine.Submit(request),
        ];
        engine.RunToEnd();
        Bits.AssertSame(demo.Alone(request), crowd[^1]);
        foreach (var result in crowd.Where((_, i) => i % 29 == 0))
        {
            Bits.AssertSame(demo.Alone(result.Request), result);
        }
    }

    [Fact]
    public void The_CPU_gives_the_same_tokens_and_logprobs()
    {
        var onGpu = demo.NewEngine(pages: 300, chunk: 50, batch: 200);
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions());
        using var onCpu = new EngineRun(loaded.Model, operations, new EngineOptions { KvPages = 200, PrefillChunkTokens = 77 });
        SequenceRequest[] requests =
        [
            .. Enumerable.Range(0, 40).Select(i => Requests.Varied(i, maxPrompt: 200, maxOutput: 40)),
            Requests.Make(Requests.Prompt(1030, 77), 8, Requests.Sampling(2)) with { PromptLogprobsFrom = 900 },
        ];
        SequenceResult[] expected = [.. requests.Select(onCpu.Submit)];
        SequenceResult[] actual = [.. requests.Select(onGpu.Submit)];
        onCpu.RunToEnd();
        onGpu.RunToEnd();
        foreach ((var cpu, var gpu) in expected.Zip(actual))
        {
            Bits.AssertSame(cpu, gpu);
        }
    }

    [Fact]
    public void Passes_that_are_never_recorded_give_the_same_bits()
    {
        using var plain = device.Open(new CudaOptions { RecordPasses = false, KernelsStartEarly = false });
        using var loaded = ModelLoader.Load(DemoModel.Path, plain, new ModelLoadOptions());
        using var unrecorded = new EngineRun(loaded.Model, plain, new EngineOptions { KvPages = 300 });
        var recorded = demo.NewEngine(pages: 300, chunk: 40, batch: 100);
        long before = demo.Operations.ReplayedSteps;
        SequenceRequest[] requests = [.. Enumerable.Range(0, 50).Select(i => Requests.Varied(i, maxPrompt: 120, maxOutput: 40))];
        SequenceResult[] expected = [.. requests.Select(unrecorded.Submit)];
        SequenceResult[] actual = [.. requests.Select(recorded.Submit)];
        unrecorded.RunToEnd();
        recorded.RunToEnd();
        Assert.True(demo.Operations.ReplayedSteps > before);
        foreach ((var without, var with) in expected.Zip(actual))
        {
            Bits.AssertSame(without, with);
        }
    }
}
