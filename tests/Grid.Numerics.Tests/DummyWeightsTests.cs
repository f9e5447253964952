using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Grid.Numerics.Tests;

public sealed class DummyWeightsTests
{
    private static readonly DummyTensor s_matrix = DummyWeights.Describe("model.embed_tokens.weight", 151936, 1024);
    private static readonly DummyTensor s_norm = DummyWeights.Describe("model.norm.weight", 1024);
    private static readonly DummyTensor s_bias = DummyWeights.Describe("model.layers.0.self_attn.q_proj.bias", 2048);

    /// <summary>From an implementation of the text in another language; a GPU's is held against the same values.</summary>
    [Fact]
    public void Known_answers()
    {
        Assert.Equal(new DummyTensor(0x46E2C9D5, 0x6B3690A2, 0, -20), s_matrix);
        Assert.Equal([0x3AC8, 0x3D3F, 0xBB86, 0x3CBE, 0xBCC0, 0xBB44, 0x3D78, 0xBD7A, 0x3C55, 0x3D64], First(s_matrix, 10));
        Assert.Equal(new DummyTensor(0x8B5D63C9, 0x78C1D5D7, 1 << 19, -19), s_norm);
        Assert.Equal([0x3F6E, 0x3F76, 0x3F88, 0x3F6C, 0x3F8A, 0x3F88, 0x3F7F, 0x3F8A, 0x3F7D, 0x3F6B], First(s_norm, 10));
        Assert.Equal(new DummyTensor(0xC9F208BC, 0x470C87E2, 0, -20), s_bias);
        Assert.Equal([0x3D57, 0xBD1A, 0xBD6D, 0xBCE9, 0x3D3C, 0xBD22, 0x3D21, 0x3D4B, 0x3CF8, 0xBAD5], First(s_bias, 10));
    }

    [Fact]
    public void Known_answer_where_the_block_number_passes_32_bits()
    {
        // Blocks below and above 2^32 * 2, and a start inside a block.
        ushort[] values = new ushort[1 << 16];
        DummyWeights.Fill(s_matrix, (1L << 36) - 1000, values);

        Assert.Equal(
            "b37e233e8328a695276a73916e7d1ee3da78f90149bf1ea3a98a6cf0fd6cba30",
            Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<ushort>(values))));
    }

    [Theory]
    [InlineData(0L)]
    [InlineData((1L << 35) - 96)]
    public void Every_start_and_length_gives_the_reference_s_values(long offset)
    {
        foreach (var tensor in (DummyTensor[])[s_matrix, s_norm, s_bias])
        {
            ushort[] reference = new ushort[256];
            for (int i = 0; i < reference.Length; i++)
            {
                reference[i] = DummyWeights.Element(tensor, offset + i);
            }

            for (int start = 0; start < 70; start++)
            {
                for (int length = 0; length <= 150; length++)
                {
                    ushort[] values = new ushort[length];
                    DummyWeights.Fill(tensor, offset + start, values);
                    Assert.True(reference.AsSpan(start, length).SequenceEqual(values), $"{tensor} [{offset + start}, {length}]");
                }
            }
        }
    }

    [Fact]
    public void Values_are_symmetric_of_the_stated_size_and_never_zero()
    {
        foreach (int columns in (int[])[16, 100, 1024, 4096, 12288])
        {
            var tensor = DummyWeights.Describe($"w{columns}", 64, columns);
            ushort[] values = new ushort[1 << 18];
            DummyWeights.Fill(tensor, 0, values);
            double sum = 0, squares = 0;
            foreach (ushort bits in values)
            {
                float value = Bf16.ToSingle(bits);
                Assert.True(float.IsNormal(value));
                sum += value;
                squares += (double)value * value;
            }

            // A row of K inputs of size 1 gives outputs of this size.
            double gain = Math.Sqrt(squares / values.Length * columns);
            Assert.InRange(gain, 1.1, 2.4);
            Assert.InRange(sum / Math.Sqrt(squares), -4, 4);
        }
    }

    [Fact]
    public void Norm_scales_lie_around_one()
    {
        ushort[] values = new ushort[1 << 16];
        DummyWeights.Fill(s_norm, 0, values);

        float[] scales = Array.ConvertAll(values, Bf16.ToSingle);
        Assert.Equal(0.875f, scales.Min());
        Assert.Equal(1.125f, scales.Max());
        Assert.InRange(scales.Average(), 0.998f, 1.002f);
    }

    [Fact]
    public void Tensors_of_other_names_have_other_values()
    {
        string[] names = ["a", "b", "model.layers.1.mlp.up_proj.weight", "model.layers.11.mlp.up_proj.weight"];

        Assert.Equal(names.Length, names.Select(name => string.Join(' ', First(DummyWeights.Describe(name, 8, 64), 16))).Distinct().Count());
    }

    private static ushort[] First(DummyTensor tensor, int count) =>
        [.. Enumerable.Range(0, count).Select(i => DummyWeights.Element(tensor, i))];
}
