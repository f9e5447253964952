using System.Security.Cryptography;

namespace Grid.Cuda.Tests;

/// <summary>
/// SHA-256 of <see cref="ForwardScript"/>'s results as an H100 gave them (Captures/forward_hashes.txt), so that machines without a
/// GPU see the CPU's bits change.
/// </summary>
[Collection(GpuCollection.Name)]
public sealed class ForwardKnownAnswerTests(OperationsFixture device)
{
    public static TheoryData<string> Models => TestModels.Theory;

    [Theory]
    [MemberData(nameof(Models))]
    public void The_CPU_has_the_bits_that_were_captured_from_the_GPU(string model) => RequireKnown(model, CpuForward.Results(model));

    [Theory]
    [MemberData(nameof(Models))]
    public void The_GPU_still_has_the_bits_that_were_captured_from_it(string model)
    {
        var operations = device.Require();
        using var loaded = TestModels.Load(model, operations, ForwardScript.MaxRows);
        RequireKnown(model, ForwardScript.Run(loaded.Decoder(), operations, observed: true));
    }

    private static void RequireKnown(string model, List<Result> results)
    {
        string[] lines =
        [
            Line(model, "logits", results.Where(result => result.What.Contains("logits", StringComparison.Ordinal))),
            Line(model, "samples", results.Where(result => result.What.Contains("samples", StringComparison.Ordinal))),
            Line(model, "states", results.Where(result => result.What.Contains("hidden state", StringComparison.Ordinal))),
        ];
        string[] known = [.. TestResource.Read("forward_hashes.txt").Split('\n').Where(line => line.StartsWith(model + " ", StringComparison.Ordinal))];
        if (Environment.GetEnvironmentVariable("GRID_CAPTURE") is { Length: > 0 } file)
        {
            File.AppendAllLines(file, lines);
        }

        Assert.Equal(known, lines);
    }

    private static string Line(string model, string kind, IEnumerable<Result> results)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var result in results)
        {
            hash.AppendData(result.Bits);
        }

        return $"{model} {kind} {Convert.ToHexStringLower(hash.GetHashAndReset())}";
    }
}
