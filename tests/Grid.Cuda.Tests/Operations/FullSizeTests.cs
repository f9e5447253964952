using System.Runtime.InteropServices;
using Grid.Cpu;
using Grid.Determinism.Tests.Harness;
using Grid.Models;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>One layer, the embedding and the head of published models at their full sizes, dummy weights: GPU against CPU.</summary>
[Collection(GpuCollection.Name)]
public sealed class FullSizeTests(OperationsFixture device)
{
    private const int MaxRows = 512;
    private const int LogitRows = 96;

    [Theory]
    [InlineData("Qwen/Qwen3-8B")]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct")]
    [InlineData("Qwen/Qwen3-30B-A3B")]
    public void A_layer_and_the_head_have_the_bits_of_the_CPU(string config)
    {
        var gpu = device.Require();
        using var cpu = new CpuOperations(new CpuOptions());
        using var onGpu = TestModels.LoadOneLayer(config, gpu, MaxRows);
        using var onCpu = TestModels.LoadOneLayer(config, cpu, MaxRows);
        Assert.Equal(onCpu.NumericsId, onGpu.NumericsId);
        using var cpuCache = onCpu.Model.AllocateKvCache(16);
        using var gpuCache = onGpu.Model.AllocateKvCache(16);

        // Two prompts and a single token; then each goes on, the first with several rows and alone.
        (int Sequence, int Rows)[][] passes = [[(0, 384), (1, 127), (2, 1)], [(0, 1), (1, 1), (2, 1)], [(0, 70), (2, 1)], [(1, 1)]];
        int[] positions = new int[3];
        foreach (var pass in passes)
        {
            var batch = Lay(pass, positions, onCpu.Model.Config.VocabularySize);
            Comparison.RequireEqual(States(onCpu.Decoder(), cpu, batch, cpuCache), States(onGpu.Decoder(), gpu, batch, gpuCache));
            for (int first = 0; first < Math.Min(batch.LogitRowCount, 3 * LogitRows); first += LogitRows)
            {
                int count = Math.Min(LogitRows, batch.LogitRowCount - first);
                Comparison.RequireEqual(Logits(onCpu, cpu, first, count), Logits(onGpu, gpu, first, count));
            }
        }
    }

    private static BatchLayout Lay((int Sequence, int Rows)[] pass, int[] positions, int vocabulary)
    {
        var batch = new BatchLayout(MaxRows, 4);
        foreach ((int sequence, int rows) in pass)
        {
            int[] tokens = Requests.Prompt(positions[sequence] + rows, sequence + 70, vocabulary);
            batch.Sequences[batch.SequenceCount++] = new SequenceSlice(batch.RowCount, rows, Pages(sequence));
            for (int i = 0; i < rows; i++)
            {
                int row = batch.RowCount++;
                batch.Positions[row] = positions[sequence]++;
                batch.TokenIds[row] = tokens[batch.Positions[row]];
                batch.LogitRows[batch.LogitRowCount++] = row;
            }
        }

        return batch;
    }

    private static int[] Pages(int sequence) => sequence switch
    {
        0 => [15, 0, 13, 2, 11, 4, 9, 6],
        1 => [1, 14, 3],
        _ => [8],
    };

    private static List<Result> States(DecoderModel model, IOperations operations, BatchLayout batch, KvCache cache)
    {
        var results = new List<Result>();
        model.HiddenStateObserver = (index, state) =>
        {
            ushort[] bits = new ushort[batch.RowCount * state.Width];
            operations.Read(state, batch.RowCount, bits);
            results.Add(new Result($"hidden state {index}", state.Width, sizeof(ushort), MemoryMarshal.AsBytes(bits.AsSpan()).ToArray()));
        };
        model.Forward(batch, cache);
        model.HiddenStateObserver = null;
        return results;
    }

    private static List<Result> Logits(LoadedModel loaded, IOperations operations, int first, int count)
    {
        int vocabulary = loaded.Model.Config.VocabularySize;
        using var logits = operations.AllocateLogits(count, vocabulary);
        loaded.Model.ComputeLogits(first, count, logits);
        float[] values = new float[count * vocabulary];
        operations.Read(logits, count, values);
        SamplingRow[] rows = [.. Enumerable.Range(0, Math.Min(count, 24)).Select(i => SamplingRows.Varied(first + i, i, vocabulary))];
        var sampled = new SampledToken[rows.Length];
        operations.Sample(logits, rows, sampled);
        return
        [
            new Result($"logits {first}", vocabulary, sizeof(float), MemoryMarshal.AsBytes(values.AsSpan()).ToArray()),
            .. sampled.Select((token, i) => new Result($"samples {first} + {i}", 1, sizeof(int), SamplingRows.Encode(token))),
        ];
    }
}
