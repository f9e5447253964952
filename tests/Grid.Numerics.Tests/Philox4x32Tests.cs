namespace Grid.Numerics.Tests;

public sealed class Philox4x32Tests
{
    [Theory]
    [InlineData(0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u,
        0x6627E8D5u, 0xE169C58Du, 0xBC57AC4Cu, 0x9B00DBD8u)]
    [InlineData(0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu,
        0x408F276Du, 0x41C83B0Eu, 0xA20BC7C6u, 0x6D5451FDu)]
    [InlineData(0xA4093822u, 0x299F31D0u, 0x243F6A88u, 0x85A308D3u, 0x13198A2Eu, 0x03707344u,
        0xD16CFE09u, 0x94FDCCEBu, 0x5001E420u, 0x24126EA1u)]
    public void The_published_known_answers_come_out(
        uint k0, uint k1, uint c0, uint c1, uint c2, uint c3, uint w0, uint w1, uint w2, uint w3) =>
        Assert.Equal(new Philox4x32Block(w0, w1, w2, w3), Philox4x32.Generate(k0, k1, c0, c1, c2, c3));

    [Fact]
    public void A_draw_takes_its_key_from_the_seed_and_its_counter_from_the_position()
    {
        var block = Philox4x32.Generate(0x89ABCDEF, 0x01234567, 0x9, 0x8, 0x7, 0);
        Assert.Equal(
            ((ulong)block.Word1 << 32) | block.Word0,
            Philox4x32.Draw(0x0123456789ABCDEF, 0x800000009, 7));
    }
}
