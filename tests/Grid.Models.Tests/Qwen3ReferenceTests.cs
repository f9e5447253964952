using Grid.Cpu;
using Grid.Models.Architectures.Qwen3;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>
/// The forward pass against the transformers library. A test of quality, not of bits: equality cannot show that an
/// architecture is the right one. Tolerances come from how far the library's own bf16 computation lies from its fp32 one.
/// </summary>
public class Qwen3ReferenceTests(ITestOutputHelper output)
{
    /// <summary>Distances may be this many times the library's own bf16 noise; it rounds more often than the contract
    /// does, so they lie below it.</summary>
    private const double NoiseFactor = 1.25;

    [Theory]
    [InlineData("random")]
    public void Hidden_states_of_every_layer_and_logits_agree_with_transformers(string name)
    {
        using var operations = new CpuOperations(new CpuOptions());
        using LoadedModel loaded = Load(name, operations);
        var model = (Qwen3Model)loaded.Model;
        ReferenceValues reference = ReferenceValues.Read(name);
        Assert.NotEmpty(reference.Cases);
        foreach (ReferenceCase @case in reference.Cases)
        {
            var runner = new SequenceRunner(model, operations, @case.Prompt.Length);
            float[] logits = runner.Feed(@case.Prompt);
            Assert.Equal(model.Config.Layers + 3, @case.Arrays.Count);
            foreach (ReferenceArray array in @case.Arrays)
            {
                float[] rows = Rows(array.Name == "logits" ? logits : runner.States[StateIndex(array.Name, model.Config.Layers)], @case);
                double distance = Distance.RelativeL2(rows, reference.Values(array));
                double noise = @case.Noise[array.Name].RelativeL2;
                output.WriteLine($"{name}, {@case.Prompt.Length} tokens, {array.Name}: distance {distance:g4}, bf16 noise {noise:g4}");
                Assert.InRange(distance, 0, NoiseFactor * noise);
            }
        }
    }

    [Theory]
    [InlineData("random")]
    public void Greedy_tokens_are_those_of_transformers_wherever_the_gap_exceeds_the_noise(string name)
    {
        using var operations = new CpuOperations(new CpuOptions());
        using LoadedModel loaded = Load(name, operations);
        var model = (Qwen3Model)loaded.Model;
        foreach (ReferenceCase @case in ReferenceValues.Read(name).Cases)
        {
            Assert.Equal(200, @case.Continuation.Length);
            // Two logits may each be off by the noise, in opposite directions.
            double decisive = 2 * @case.Noise["logits"].MaxAbs;
            int clear = 0;
            int others = 0;
            var runner = new SequenceRunner(model, operations, @case.Prompt.Length + @case.Continuation.Length);
            float[] logits = LastRow(runner.Feed(@case.Prompt), model);
            for (int step = 0; step < @case.Continuation.Length; step++)
            {
                int expected = @case.Continuation[step];
                int token = Argmax(logits);
                bool sure = @case.Gaps[step] > decisive;
                clear += sure ? 1 : 0;
                others += token == expected ? 0 : 1;
                Assert.False(sure && token != expected,
                    $"{name}, step {step}: {token} instead of {expected}, whose gap {@case.Gaps[step]} exceeds {decisive}");
                logits = runner.Feed(expected); // the reference's token, so that one close call does not end the comparison
            }

            Assert.InRange(clear, @case.Continuation.Length / 4, @case.Continuation.Length); // or nothing was compared
            output.WriteLine(
                $"{name}, {@case.Prompt.Length} tokens: {clear} of {@case.Continuation.Length} gaps exceed {decisive:g3} and agree; {others} other tokens below it");
        }
    }

    private static LoadedModel Load(string name, CpuOperations operations) => ModelLoader.Load(
        name == "demo" ? DemoModel.Path : Path.Combine(ReferenceValues.Folder, "random-qwen3"), operations, new ModelLoadOptions());

    private static int StateIndex(string array, int layers) => array switch
    {
        "embedding" => 0,
        "final_norm" => layers + 1,
        _ => 1 + int.Parse(array.AsSpan("layer_".Length), System.Globalization.CultureInfo.InvariantCulture),
    };

    private static float[] Rows(float[] values, ReferenceCase @case)
    {
        int width = values.Length / @case.Prompt.Length;
        return [.. @case.Positions.SelectMany(p => values[(p * width)..((p + 1) * width)])];
    }

    private static float[] LastRow(float[] logits, Qwen3Model model) => logits[^model.Config.VocabularySize..];

    /// <summary>The first of the largest.</summary>
    private static int Argmax(float[] logits) => Array.IndexOf(logits, logits.Max());
}
