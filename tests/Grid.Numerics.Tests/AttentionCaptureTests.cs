namespace Grid.Numerics.Tests;

public class AttentionCaptureTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    public void Attention_has_the_bits_of_a_Hopper_GPU(int headDim)
    {
        ushort[] expected = AttentionCases.ReadOutputs(headDim);
        int at = 0;
        var output = new ushort[headDim];
        foreach (AttentionCases attention in AttentionCases.All)
        {
            foreach ((int position, int head) in attention.Rows)
            {
                AttentionReference.Row(
                    attention.Query(position, head, headDim), attention.KeysOf(head, position + 1, headDim),
                    attention.ValuesOf(head, position + 1, headDim), position, attention.Scale, output);
                for (int d = 0; d < headDim; d++, at++)
                {
                    Assert.True(
                        expected[at] == output[d],
                        $"{attention}, position {position}, head {head}, element {d}: the GPU gave {expected[at]:X4}, the reference {output[d]:X4}");
                }
            }
        }

        Assert.Equal(expected.Length, at);
    }
}
