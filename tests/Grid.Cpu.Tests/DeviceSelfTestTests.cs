using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Grid.Models.SelfTest;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

public sealed class DeviceSelfTestTests
{
    [Theory]
    [InlineData(CpuInstructionSet.Avx512)]
    [InlineData(CpuInstructionSet.Avx2)]
    [InlineData(CpuInstructionSet.Portable)]
    public void Every_form_passes_the_self_test(CpuInstructionSet form)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(form), $"This processor has no {form}.");
        using var operations = new CpuOperations(new CpuOptions { InstructionSet = form });
        string[] wrong = [.. DeviceSelfTest.ComputeAnswers(operations)
            .Where(answer => DeviceSelfTest.KnownAnswers.GetValueOrDefault(answer.Key) != answer.Value)
            .Select(answer => $"[\"{answer.Key}\"] = \"{answer.Value}\",")];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        DeviceSelfTest.Run(operations);
    }

    [Fact]
    public void Known_answers_are_the_reference_s_own()
    {
        ushort[] x = [.. Enumerable.Range(0, 70 * 96).Select(i => DeviceSelfTest.Element(1, i))];
        ushort[] w = [.. Enumerable.Range(0, 80 * 96).Select(i => DeviceSelfTest.Element(2, i))];
        float[] logits = [.. Enumerable.Range(0, 70 * 80).Select(i => Dot16.Chain(x.AsSpan(i / 80 * 96, 96), w.AsSpan(i % 80 * 96, 96)))];
        Assert.Equal(DeviceSelfTest.KnownAnswers["logits"], Digest(MemoryMarshal.AsBytes(logits.AsSpan())));

        float[] bias = [.. Enumerable.Range(0, 80).Select(i => Bf16.ToSingle(DeviceSelfTest.Element(20, i)))];
        ushort[] biased = [.. logits.Select((acc, i) => Bf16.FromSingle(acc + bias[i % 80]))];
        Assert.Equal(DeviceSelfTest.KnownAnswers["project-bias"], Digest(MemoryMarshal.AsBytes(biased.AsSpan())));
    }

    [Fact]
    public void The_known_routing_is_the_reference_s_own()
    {
        ushort[] x = [.. Enumerable.Range(0, 70 * 96).Select(i => DeviceSelfTest.Element(9, i))];
        ushort[] router = [.. Enumerable.Range(0, 4 * 96).Select(i => DeviceSelfTest.Element(10, i))];
        int[] experts = new int[70 * 3];
        float[] weights = new float[70 * 3];
        for (int r = 0; r < 70; r++)
        {
            float[] logits = [.. Enumerable.Range(0, 8).Select(e => Dot16.Chain(x.AsSpan(r * 96, 96), router.AsSpan(e % 4 * 96, 96)))];
            MixtureOfExpertsReference.Route(logits, normalize: true, experts.AsSpan(r * 3, 3), weights.AsSpan(r * 3, 3));
        }

        byte[] bits = [.. MemoryMarshal.AsBytes(experts.AsSpan()), .. MemoryMarshal.AsBytes(weights.AsSpan())];
        Assert.Equal(DeviceSelfTest.KnownAnswers["route"], Digest(bits));
    }

    private static string Digest(ReadOnlySpan<byte> bits) => Convert.ToHexStringLower(SHA256.HashData(bits));
}
