using Grid.Cpu;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>The forward pass against the architecture written down once more in double. A test of quality, not of bits:
/// only here are tolerances in place, and they come from what bf16 storage costs.</summary>
public class DecoderForwardTests(ITestOutputHelper output)
{
    private const int Tokens = 100;

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public void Hidden_states_and_logits_agree_with_a_plain_double_computation(string tied)
    {
        using var folder = new TemporaryFolder();
        var checkpoint = Checkpoint(tied);
        checkpoint.Write(folder, TinyCheckpoint.Config.Replace(
            "\"tie_word_embeddings\": true", $"\"tie_word_embeddings\": {tied}", StringComparison.Ordinal));
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = ModelLoader.Load(folder.Path, operations, new ModelLoadOptions());
        var model = (DecoderModel)loaded.Model;
        var random = new Random(5);
        int[] ids = [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(TinyCheckpoint.Vocabulary))];

        // Chunks on purpose: positions and pages must carry over from pass to pass.
        var runner = new SequenceRunner(model, operations, Tokens);
        List<List<float>> actual = [.. Enumerable.Range(0, model.Config.Layers + 3).Select(_ => new List<float>())];
        foreach (int[] chunk in (int[][])[ids[..37], ids[37..38], ids[38..71], ids[71..]])
        {
            float[] logits = runner.Feed(chunk);
            for (int i = 0; i < runner.States.Count; i++)
            {
                actual[i].AddRange(runner.States[i]);
            }

            actual[^1].AddRange(logits);
        }

        var weights = checkpoint.Tensors.ToDictionary(t => t.Key, t => t.Value.Values);
        var exact = new PlainDecoder(model.Config, weights, round: false).Run(ids);
        var rounded = new PlainDecoder(model.Config, weights, round: true).Run(ids);
        for (int i = 0; i < exact.Count; i++)
        {
            double[] expected = [.. exact[i].SelectMany(row => row)];
            double noise = Distance.RelativeL2(rounded[i].SelectMany(row => row).Select(v => (float)v), expected);
            double distance = Distance.RelativeL2(actual[i], expected);
            output.WriteLine($"state {i}: distance {distance:g4}, bf16 noise {noise:g4}");
            Assert.InRange(distance, 0, 1.1 * noise);
        }
    }

    /// <summary>Weights of a size at which every part of a layer matters.</summary>
    private static TinyCheckpoint Checkpoint(string tied)
    {
        var checkpoint = new TinyCheckpoint();
        var random = new Random(11);
        foreach ((string name, (int[] shape, ushort[] values)) in checkpoint.Tensors)
        {
            for (int i = 0; i < values.Length; i++)
            {
                double draw = (random.NextDouble() - 0.5) * 2 * Math.Sqrt(3); // variance 1
                values[i] = Numerics.Bf16.FromSingle((float)(shape.Length == 1 ? 1.3 + 0.3 * draw
                    : name.Contains("embed", StringComparison.Ordinal) ? draw : draw / Math.Sqrt(shape[1])));
            }
        }

        if (tied == "false")
        {
            int count = TinyCheckpoint.Vocabulary * TinyCheckpoint.Hidden;
            checkpoint.Tensors.Add("lm_head.weight",
                ([TinyCheckpoint.Vocabulary, TinyCheckpoint.Hidden], SafetensorsBuilder.RandomBf16(random, count)));
        }

        return checkpoint;
    }
}
