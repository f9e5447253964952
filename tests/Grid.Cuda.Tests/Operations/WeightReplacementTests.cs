using Grid.Determinism.Tests.Harness;
using Grid.Engine;
using EngineBits = Grid.Determinism.Tests.Harness.Bits;

namespace Grid.Cuda.Tests;

/// <summary>Other weights at the addresses of the old ones have the bits of a fresh load, under recorded passes, too.</summary>
[Collection(GpuCollection.Name)]
public sealed class WeightReplacementTests(OperationsFixture device)
{
    private const ulong Seed = 7;

    public static TheoryData<string> Models => TestModels.Theory;

    /// <summary>Made on the GPU, and, of the demo model, back from its checkpoint.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void Replaced_weights_have_the_bits_of_a_fresh_load(string model)
    {
        var operations = device.Require();
        using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
        using var fresh = TestModels.LoadSeed(model, operations, ForwardScript.MaxRows, Seed);
        var own = ForwardScript.Run(loaded.Decoder(), operations, observed: false);
        TestModels.Replace(model, loaded, operations, Seed);
        Comparison.RequireEqual(
            ForwardScript.Run(fresh.Decoder(), operations, observed: true), ForwardScript.Run(loaded.Decoder(), operations, observed: true));
        Comparison.RequireEqual(
            ForwardScript.Run(fresh.Decoder(), operations, observed: false), ForwardScript.Run(loaded.Decoder(), operations, observed: false));
        TestModels.Replace(model, loaded, operations, model == "demo" ? null : 0);
        Comparison.RequireEqual(own, ForwardScript.Run(loaded.Decoder(), operations, observed: false));
    }

    /// <summary>The engine runs ahead, its passes are recorded, and its KV cache stays.</summary>
    [Theory]
    [InlineData("demo")]
    [InlineData("qwen3-moe")]
    public void An_engine_goes_on_with_other_weights(string model)
    {
        var operations = device.Require();
        var options = new EngineOptions { KvPages = 256, MaxBatchTokens = 512, MaxRunningSequences = 64 };
        using var loaded = TestModels.Load(model, operations, options.MaxBatchTokens);
        using var fresh = TestModels.LoadSeed(model, operations, options.MaxBatchTokens, Seed);
        using var engine = new EngineRun(loaded.Model, operations, options);
        var own = Crowd(engine);
        long replayed = operations.ReplayedSteps;
        engine.Exchange(() => TestModels.Replace(model, loaded, operations, Seed));
        var replaced = Crowd(engine);
        Assert.True(operations.ReplayedSteps > replayed);
        using (var other = new EngineRun(fresh.Model, operations, options))
        {
            AssertSame(Crowd(other), replaced);
        }

        engine.Exchange(() => TestModels.Replace(model, loaded, operations, model == "demo" ? null : 0));
        AssertSame(own, Crowd(engine));
    }

    private static SequenceResult[] Crowd(EngineRun engine)
    {
        SequenceResult[] results = [.. Enumerable.Range(0, 64).Select(i => engine.Submit(Requests.Varied(i, tokens: 1000)))];
        engine.RunToEnd();
        Assert.All(results, result => Assert.Equal(0, result.CachedTokens));
        return results;
    }

    private static void AssertSame(SequenceResult[] expected, SequenceResult[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            EngineBits.AssertSame(expected[i], actual[i]);
        }
    }
}
