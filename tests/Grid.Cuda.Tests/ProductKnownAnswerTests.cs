using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>SHA-256 of products captured from an H100, so that a machine without a GPU sees the CPU's chains change.</summary>
[Collection(GpuCollection.Name)]
public sealed class ProductKnownAnswerTests(GpuFixture gpu)
{
    private const int Tokens = 9, Width = 1000, Outputs = 24;

    /// <summary>Captures/product_hashes.txt.</summary>
    public static TheoryData<ProductData, string> KnownAnswers()
    {
        var answers = new TheoryData<ProductData, string>();
        foreach (string line in TestResource.Read("product_hashes.txt").Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            string[] parts = line.Split(' ');
            answers.Add(Enum.Parse<ProductData>(parts[0]), parts[1]);
        }

        return answers;
    }

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_CPU_has_the_bits_that_were_captured_from_the_GPU(ProductData data, string hash)
    {
        var values = new ProductCase(data, Tokens, Width, Outputs);
        RequireHash(data, hash, ProductBench.Words(values.Raw), values.Biased, values.Added, values.Gated);
    }

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_GPU_still_has_the_bits_that_were_captured_from_it(ProductData data, string hash)
    {
        gpu.Require();
        using var bench = new ProductBench(gpu, new ProductCase(data, Tokens, Width, Outputs));
        RequireHash(
            data, hash, bench.Run(ProductEpilogue.Raw, Tokens), bench.Run(ProductEpilogue.Store, Tokens, bias: true),
            bench.Run(ProductEpilogue.Add, Tokens), bench.Run(ProductEpilogue.GatedSilu, Tokens));
    }

    private static void RequireHash(ProductData data, string expected, params IEnumerable<ushort[]> results)
    {
        ushort[] all = [.. results.SelectMany(result => result)];
        string actual = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<ushort>(all)));
        Assert.True(expected == actual, $"{data} {actual}");
    }
}
