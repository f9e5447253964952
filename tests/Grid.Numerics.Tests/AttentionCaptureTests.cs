namespace Grid.Numerics.Tests;

public class AttentionCaptureTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void Attention_has_the_bits_of_a_Hopper_GPU(int headDim)
    {
        using var gpu = AttentionCases.ReadOutputs(headDim);
        for (int i = 0; i < AttentionCases.All.Length; i++)
        {
            foreach ((int position, int head) in AttentionCases.All[i].Rows)
            {
                string where = $"case {i}, position {position}, head {head}";
                RequireRow(gpu, AttentionCases.All[i], position, head, headDim, where);
                if (position >= AttentionLayout.SegmentTokens)
                {
                    RequireFirstSegment(gpu, AttentionCases.All[i], position, head, headDim, where);
                }
            }
        }

        Assert.Equal(gpu.BaseStream.Length, gpu.BaseStream.Position);
    }

    private static void RequireRow(BinaryReader gpu, AttentionCases attention, int position, int head, int headDim, string where)
    {
        ushort[] output = new ushort[headDim];
        AttentionReference.Row(
            attention.Query(position, head, headDim), attention.KeysOf(head, position + 1, headDim),
            attention.ValuesOf(head, position + 1, headDim), position, attention.Scale, output);
        for (int d = 0; d < headDim; d++)
        {
            ushort expected = gpu.ReadUInt16();
            Assert.True(expected == output[d], $"{where}, element {d}: the GPU gave {expected:X4}, the reference {output[d]:X4}");
        }
    }

    /// <summary>A later query's first segment is what that query would give at the segment's last position, unrounded.</summary>
    private static void RequireFirstSegment(
        BinaryReader gpu, AttentionCases attention, int position, int head, int headDim, string where)
    {
        const int Keys = AttentionLayout.SegmentTokens;
        float[] weighted = new float[headDim];
        float sum = AttentionReference.Accumulate(
            attention.Query(position, head, headDim), attention.KeysOf(head, Keys, headDim), attention.ValuesOf(head, Keys, headDim),
            Keys - 1, attention.Scale, weighted);
        BitAssert.Equal(gpu.ReadSingle(), sum, $"{where}, L of the first segment");
        for (int d = 0; d < headDim; d++)
        {
            BitAssert.Equal(gpu.ReadSingle(), weighted[d], $"{where}, element {d} of the first segment");
        }
    }
}
