using Grid.Models.SelfTest;

namespace Grid.Cuda.Tests;

/// <summary>Whole forward passes on the GPU against the same on the CPU, byte for byte.</summary>
[Collection(GpuCollection.Name)]
public sealed class ForwardParityTests(OperationsFixture device)
{
    public static TheoryData<string> Models => TestModels.Theory;

    [Fact]
    public void The_GPU_passes_the_self_test()
    {
        var answers = DeviceSelfTest.ComputeAnswers(device.Require());
        string[] wrong = [.. DeviceSelfTest.KnownAnswers.Where(known => answers[known.Key] != known.Value).Select(known => known.Key)];
        Assert.True(wrong.Length == 0, $"wrong: {string.Join(", ", wrong)}; right: {string.Join(", ", answers.Keys.Except(wrong))}");
        DeviceSelfTest.Run(device.Require());
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_hidden_state_logit_and_sample_has_the_bits_of_the_CPU(string model)
    {
        var operations = device.Require();
        using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
        Comparison.RequireEqual(CpuForward.Results(model), ForwardScript.Run(loaded.Decoder(), operations, observed: true));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Recorded_passes_have_the_bits_of_the_CPU(string model)
    {
        var operations = device.Require();
        using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
        long before = operations.ReplayedSteps;
        var results = ForwardScript.Run(loaded.Decoder(), operations, observed: false);
        Assert.Equal(8, operations.ReplayedSteps - before);
        Comparison.RequireEqual(CpuForward.WithoutStates(model), results);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(false, false)]
    public void Neither_recording_nor_early_starts_change_a_bit(bool record, bool early)
    {
        using var operations = device.Open(new CudaOptions { RecordPasses = record, KernelsStartEarly = early });
        foreach (string model in (ReadOnlySpan<string>)["demo", "qwen3-moe"])
        {
            using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
            Comparison.RequireEqual(
                CpuForward.WithoutStates(model), ForwardScript.Run(loaded.Decoder(), operations, observed: false));
        }

        Assert.Equal(record, operations.ReplayedSteps > 0);
    }
}
