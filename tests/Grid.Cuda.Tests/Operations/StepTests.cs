using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>How steps run: what they allocate, and the ways that rows can take.</summary>
[Collection(GpuCollection.Name)]
public sealed class StepTests(OperationsFixture device)
{
    [Fact]
    public void Decode_steps_allocate_nothing()
    {
        var operations = device.Require();
        using var loaded = TestModels.Load("demo", operations, 64);
        using var cache = loaded.Model.AllocateKvCache(64);
        using var logits = operations.AllocateLogits(64, loaded.Model.Config.VocabularySize);
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
        using var operations = device.Open(new CudaOptions { PartialSlots = slots });
        using var loaded = TestModels.Load("qwen3", operations, ForwardScript.MaxRows);
        Comparison.RequireEqual(CpuForward.Results("qwen3"), ForwardScript.Run(loaded.Decoder(), operations, observed: true));
        Comparison.RequireEqual(CpuForward.WithoutStates("qwen3"), ForwardScript.Run(loaded.Decoder(), operations, observed: false));
    }

    [Fact]
    public void A_recorded_pass_is_recorded_again_when_what_it_reads_moves()
    {
        using var operations = device.Open(new CudaOptions());
        using var loaded = TestModels.Load("llama", operations, 4);
        using var cache = loaded.Model.AllocateKvCache(2);
        using var logits = operations.AllocateLogits(2, loaded.Model.Config.VocabularySize);
        var batch = new BatchLayout(4, 4) { RowCount = 2, SequenceCount = 2, LogitRowCount = 2 };
        (batch.Sequences[0], batch.Sequences[1], batch.LogitRows[1]) = (new SequenceSlice(0, 1, [0]), new SequenceSlice(1, 1, [1]), 1);
        float[] first = Step(5); // called
        float[] second = Step(17); // recorded
        Assert.NotEqual(first, second);
        Assert.Equal((1, 1), (operations.RecordedPasses, operations.ReplayedSteps));

        // Page tables of half a million positions need more room than the inputs have had.
        var large = new BatchLayout(64, 64) { RowCount = 64, SequenceCount = 64 };
        for (int i = 0; i < 64; i++)
        {
            (large.Positions[i], large.Sequences[i]) = (64 * 8000, new SequenceSlice(i, 1, new int[8001]));
        }

        operations.BeginStep(large);
        foreach (float[] expected in (ReadOnlySpan<float[]>)[first, second, first, second])
        {
            Assert.Equal(expected, Step(ReferenceEquals(expected, first) ? 5 : 17));
        }

        Assert.Equal((2, 4), (operations.RecordedPasses, operations.ReplayedSteps));

        float[] Step(int token)
        {
            (batch.TokenIds[0], batch.TokenIds[1]) = (token, token + 1);
            loaded.Model.Forward(batch, cache);
            loaded.Model.ComputeLogits(0, 2, logits);
            float[] values = new float[2 * logits.Width];
            operations.Read(logits, 2, values);
            return values;
        }
    }
}
