using System.Globalization;
using Grid.Cpu;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>
/// The forward pass against values of the transformers library. Tests of quality, not of bits: equality cannot show that an
/// architecture is the right one. Tolerances come from what storing activations in bf16 costs.
/// </summary>
public class ArchitectureReferenceTests(ITestOutputHelper output)
{
    /// <summary>Distances may be this many times the noise of the library's own bf16 computation.</summary>
    private const double NoiseFactor = 1.25;

    /// <summary>Two computations in fp32 or better differ by less; bf16 is a thousand times coarser.</summary>
    private const double Fp32Noise = 1e-5;

    /// <summary>The demo model, and small random checkpoints of every architecture in Reference/.</summary>
    public static TheoryData<string> Checkpoints =>
        ["demo", "random-llama", "random-llama-tied", "random-mistral", "random-qwen2", "random-qwen3", "random-qwen3-moe", "random-qwen3-moe-mixed"];

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void A_plain_double_computation_gives_the_values_of_transformers(string name)
    {
        var plain = PlainDecoder.Of(ModelFolder.Open(PathOf(name)), round: false);
        var reference = ReferenceValues.Read(name);
        Assert.Contains("transformers", reference.Versions.Keys);
        output.WriteLine($"{name}: values of {string.Join(", ", reference.Versions)}");
        Assert.NotEmpty(reference.Cases);
        foreach (var @case in reference.Cases)
        {
            var states = plain.Run(@case.Prompt);
            Assert.Equal(states.Count, @case.Arrays.Count);
            foreach (var array in @case.Arrays)
            {
                var rows = Rows(states[StateIndex(array.Name, states.Count)], @case);
                Assert.InRange(Distance.RelativeL2(rows, reference.Values(array)), 0, Fp32Noise);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Hidden_states_of_every_layer_and_logits_agree_with_transformers_in_prefill(string name) =>
        CompareStates(name, rowsPerPass: int.MaxValue);

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Hidden_states_of_every_layer_and_logits_agree_with_transformers_in_decode(string name) =>
        CompareStates(name, rowsPerPass: 1);

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Greedy_tokens_are_those_of_transformers_wherever_the_gap_exceeds_the_noise(string name)
    {
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = Load(name, operations);
        var model = (DecoderModel)loaded.Model;
        foreach (var @case in ReferenceValues.Read(name).Cases)
        {
            int steps = @case.Continuation.Length;
            Assert.InRange(steps, 100, 200);
            (double[] exact, var noise) = ContinuationLogits(name, @case);
            // Two logits may each be off by the noise, in opposite directions.
            double decisive = 2 * noise.MaxAbs;
            int clear = 0;
            int others = 0;
            var actual = new List<float>();
            var runner = new SequenceRunner(model, operations, @case.Prompt.Length + steps);
            float[] logits = LastRow(runner.Feed(@case.Prompt), model);
            for (int step = 0; step < steps; step++)
            {
                actual.AddRange(logits);
                int expected = @case.Continuation[step];
                int token = Argmax(logits);
                bool sure = @case.Gaps[step] > decisive;
                clear += sure ? 1 : 0;
                others += token == expected ? 0 : 1;
                Assert.False(sure && token != expected,
                    $"{name}, step {step}: {token} instead of {expected}, whose gap {@case.Gaps[step]} exceeds {decisive}");
                logits = runner.Feed(expected); // the reference's token, so that one close call does not end the comparison
            }

            double distance = Distance.RelativeL2(actual, exact);
            output.WriteLine($"{name}, {@case.Prompt.Length} tokens: {clear} of {steps} gaps exceed {decisive:g3}, all agree; " +
                $"{others} other tokens below it; logits: distance {distance:g4}, bf16 noise {noise.RelativeL2:g4}");
            Assert.InRange(clear, steps / 4, steps); // or nothing was compared
            Assert.InRange(distance, 0, 1.1 * noise.RelativeL2);
        }
    }

    /// <summary>
    /// What is compared above is one function only where all choose the same experts. In these checkpoints rounding never decides
    /// a choice: in every row the gap between the last expert chosen and the first left out exceeds twice the largest change of the
    /// row's logits by rounding.
    /// </summary>
    [Theory]
    [InlineData("random-qwen3-moe")]
    [InlineData("random-qwen3-moe-mixed")]
    public void The_choice_of_experts_is_not_decided_by_rounding(string name)
    {
        var folder = ModelFolder.Open(PathOf(name));
        int chosen = folder.ReadConfig().Experts!.PerToken;
        foreach (var @case in ReferenceValues.Read(name).Cases)
        {
            int[] ids = [.. @case.Prompt, .. @case.Continuation[..^1]];
            var exact = PlainDecoder.Of(folder, round: false);
            var rounded = PlainDecoder.Of(folder, round: true);
            exact.Run(ids);
            rounded.Run(ids);
            double slack = exact.RouterLogits.Min(l => Gap(l.Value, chosen) - (2 * Change(l.Value, rounded.RouterLogits[l.Key])));
            var used = exact.RouterLogits.GroupBy(l => l.Key.Layer, l => Array.IndexOf(l.Value, l.Value.Max()));
            output.WriteLine($"{name}, {exact.RouterLogits.Count} choices: smallest gap {exact.RouterLogits.Min(l => Gap(l.Value, chosen)):g3}, " +
                $"smallest slack {slack:g3}; " + string.Join(", ", used.Select(layer => $"{layer.Distinct().Count()} experts are somebody's first")));
            Assert.True(slack > 0, $"{name}: {slack}");
        }
    }

    private static double Gap(double[] logits, int chosen)
    {
        double[] sorted = [.. logits.OrderDescending()];
        return sorted[chosen - 1] - sorted[chosen];
    }

    private static double Change(double[] exact, double[] rounded) => exact.Zip(rounded, (a, b) => Math.Abs(a - b)).Max();

    private void CompareStates(string name, int rowsPerPass)
    {
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = Load(name, operations);
        var model = (DecoderModel)loaded.Model;
        var reference = ReferenceValues.Read(name);
        foreach (var @case in reference.Cases)
        {
            var states = Run(model, operations, @case.Prompt, rowsPerPass);
            Assert.Equal(states.Count, @case.Arrays.Count);
            foreach (var array in @case.Arrays)
            {
                float[] rows = Rows(states[StateIndex(array.Name, states.Count)], @case);
                double distance = Distance.RelativeL2(rows, reference.Values(array));
                double limit = @case.Noise[array.Name].RelativeL2;
                output.WriteLine($"{name}, {@case.Prompt.Length} tokens, {array.Name}: distance {distance:g4}, bf16 noise {limit:g4}");
                Assert.InRange(distance, 0, NoiseFactor * limit);
            }
        }
    }

    /// <summary>Every hidden state and the logits of a prompt fed in passes of so many rows.</summary>
    private static List<List<float>> Run(DecoderModel model, CpuOperations operations, int[] prompt, int rowsPerPass)
    {
        var runner = new SequenceRunner(model, operations, prompt.Length);
        List<List<float>> states = [.. Enumerable.Range(0, model.Config.Layers + 3).Select(_ => new List<float>())];
        foreach (int[] chunk in prompt.Chunk(rowsPerPass))
        {
            states[^1].AddRange(runner.Feed(chunk));
            foreach ((int index, float[] state) in runner.States.Index())
            {
                states[index].AddRange(state);
            }
        }

        return states;
    }

    private static LoadedModel Load(string name, CpuOperations operations) =>
        ModelLoader.Load(PathOf(name), operations, new ModelLoadOptions());

    private static string PathOf(string name) =>
        name == "demo" ? DemoModel.Path : Path.Combine(ReferenceValues.Folder, name);

    /// <summary>Logits that decide the continuation's tokens, and how far the plain computation is from them when it
    /// rounds what it stores: noise at the very positions that are compared.</summary>
    private static (double[] Logits, ReferenceNoise Noise) ContinuationLogits(string name, ReferenceCase @case)
    {
        int[] ids = [.. @case.Prompt, .. @case.Continuation[..^1]];
        var folder = ModelFolder.Open(PathOf(name));
        var compared = (@case.Prompt.Length - 1)..;
        double[] exact = [.. PlainDecoder.Of(folder, round: false).Run(ids)[^1][compared].SelectMany(row => row)];
        float[] rounded = [.. PlainDecoder.Of(folder, round: true).Run(ids)[^1][compared].SelectMany(row => row).Select(v => (float)v)];
        return (exact, new ReferenceNoise(Distance.MaxAbsolute(rounded, exact), Distance.RelativeL2(rounded, exact)));
    }

    /// <summary>States are the embedding, the layers, the final norm, the logits.</summary>
    private static int StateIndex(string array, int states) => array switch
    {
        "embedding" => 0,
        "final_norm" => states - 2,
        "logits" => states - 1,
        _ => 1 + int.Parse(array.AsSpan("layer_".Length), CultureInfo.InvariantCulture),
    };

    private static IEnumerable<float> Rows(double[][] values, ReferenceCase @case) =>
        @case.Positions.SelectMany(p => values[p]).Select(v => (float)v);

    private static float[] Rows(List<float> values, ReferenceCase @case)
    {
        int width = values.Count / @case.Prompt.Length;
        return [.. @case.Positions.SelectMany(p => values.GetRange(p * width, width))];
    }

    private static float[] LastRow(float[] logits, DecoderModel model) => logits[^model.Config.VocabularySize..];

    /// <summary>The first of the largest.</summary>
    private static int Argmax(float[] logits) => Array.IndexOf(logits, logits.Max());
}
