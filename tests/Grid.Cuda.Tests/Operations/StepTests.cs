using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>How steps run: what they allocate, and the ways that rows can take.</summary>
[Collection(GpuCollection.Name)]
public sealed class StepTests(OperationsFixture device)
{
    [Fact]
    public void Decode_steps_allocate_nothing()
    {
        CudaOperations operations = device.Require();
        using LoadedModel loaded = TestModels.Load("demo", operations, 64);
        using KvCache cache = loaded.Model.AllocateKvCache(64);
        using LogitsBuffer logits = operations.AllocateLogits(64, loaded.Model.Config.VocabularySize);
        var batch = new BatchLayout(64, 64);
        int[][] pages = [.. Enumerable.Range(0, 64).Select(i => (int[])[i])];
        SamplingRow[] rows = [.. Enumerable.Range(0, 64).Select(i => new SamplingRow { LogitRow = i, Parameters = new() { Seed = 3, TopP = 0.9f } })];
        var results = new SampledToken[64];
        for (int position = 0; position < 12; position++)
        {
            Step(position); // every bucket is recorded, every buffer as large as it gets
        }

        long replays = operations.ReplayedSteps;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int position = 12; position < 40; position++)
        {
            Step(position);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(28, operations.ReplayedSteps - replays);

        void Step(int position)
        {
            int count = (position % 3) switch { 0 => 64, 1 => 20, _ => 1 };
            (batch.RowCount, batch.SequenceCount, batch.LogitRowCount) = (count, count, count);
            for (int i = 0; i < count; i++)
            {
                (batch.TokenIds[i], batch.Positions[i], batch.LogitRows[i]) = (i + position, position, i);
                batch.Sequences[i] = new SequenceSlice(i, 1, pages[i]);
            }

            loaded.Model.Forward(batch, cache);
            loaded.Model.ComputeLogits(0, count, logits);
            operations.Sample(logits, rows.AsSpan(0, count), results);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Rows_without_a_place_for_partial_results_have_the_same_bits(int slots)
    {
        using CudaOperations operations = device.Open(new CudaOptions { PartialSlots = slots });
        using LoadedModel loaded = TestModels.Load("qwen3", operations, ForwardScript.MaxRows);
        Comparison.RequireEqual(CpuForward.Results("qwen3"), ForwardScript.Run(loaded.Decoder(), operations, observed: true));
        Comparison.RequireEqual(CpuForward.WithoutStates("qwen3"), ForwardScript.Run(loaded.Decoder(), operations, observed: false));
    }

    [Fact]
    public void A_pass_recorded_before_memory_was_freed_is_recorded_again()
    {
        CudaOperations operations = device.Require();
        using LoadedModel loaded = TestModels.Load("llama", operations, ForwardScript.MaxRows);
        for (int i = 0; i < 3; i++)
        {
            // Each run frees its KV cache, and the next may get its memory at other addresses.
            long recorded = operations.RecordedPasses;
            using KvCache between = operations.AllocateKvCache(1, 1, 64, 10 + (100 * i));
            Comparison.RequireEqual(CpuForward.WithoutStates("llama"), ForwardScript.Run(loaded.Decoder(), operations, observed: false));
            Assert.True(operations.RecordedPasses > recorded);
        }
    }
}
