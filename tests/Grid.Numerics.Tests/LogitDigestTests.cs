namespace Grid.Numerics.Tests;

/// <summary>Section 8 of the contract: the digest of a row of logits.</summary>
public sealed class LogitDigestTests
{
    // Computed by another program, in Python's unbounded integers.
    [Fact]
    public void Known_answers_hold()
    {
        Assert.Equal(0xE220A8397B1DCDAFul, LogitDigest.ColumnKey(0, 0)); // SplitMix64's published first number
        Assert.Equal("afcd1d7b39a820e2afcd1d7b39a820e2", $"{LogitDigest.Of([])}");
        Assert.Equal("f465b9a16a9e786ef465b9a16a9e786e", $"{LogitDigest.Of([0f])}");
        Assert.Equal("637e69853b75e535481fb5433a9a5980", $"{LogitDigest.Of([1f])}");
        Assert.Equal("de95bfe85acb25e14c95830f3340f7d1", $"{LogitDigest.Of([-0f])}");
        Assert.Equal("4f450980185dc4064f450980185dc406", $"{LogitDigest.Of([0f, 0f])}");
        Assert.Equal("dfb06e50a1916e6c995bd68e39bef6d4", $"{LogitDigest.Of([.. Enumerable.Range(0, 300).Select(i => (i * 0.25f) - 20f)])}");
        float[] row = [.. Words(4096).Select(BitConverter.UInt32BitsToSingle)];
        Assert.Equal("8b1d744324c03d28fae5c1d595cf4e79", $"{LogitDigest.Of(row)}");
        row = [.. row, BitConverter.UInt32BitsToSingle(1), BitConverter.UInt32BitsToSingle(2), BitConverter.UInt32BitsToSingle(3)];
        Assert.Equal("0522a30cff001065d2985b9959d70a0a", $"{LogitDigest.Of(row)}");
    }

    [Fact]
    public void Every_bit_of_every_logit_counts_and_so_does_its_place()
    {
        float[] row = [.. Words(400).Select(BitConverter.UInt32BitsToSingle)];
        var seen = new HashSet<LogitDigest> { LogitDigest.Of(row) };
        for (int i = 0; i < row.Length; i++)
        {
            for (int bit = 0; bit < 32; bit += i % 128 == 0 ? 1 : 13) // all bits of some logits, a few of all
            {
                float[] other = [.. row];
                other[i] = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(row[i]) ^ (1u << bit));
                Assert.True(seen.Add(LogitDigest.Of(other)), $"logit {i}, bit {bit}");
            }
        }

        (row[7], row[300]) = (row[300], row[7]);
        Assert.True(seen.Add(LogitDigest.Of(row)));
    }

    // Two logits whose differences meet in one bit of the sums: the lightest differences that could cancel.
    [Fact]
    public void Signs_that_change_in_two_places_do_not_cancel()
    {
        var seen = new HashSet<LogitDigest>();
        float[] row = new float[300];
        for (int i = 0; i < row.Length; i++)
        {
            for (int j = i + 1; j < row.Length; j += 11)
            {
                (row[i], row[j]) = (-0f, -0f);
                Assert.True(seen.Add(LogitDigest.Of(row)), $"{i}, {j}");
                (row[i], row[j]) = (0f, 0f);
            }
        }
    }

    [Fact]
    public void Sums_taken_by_columns_and_by_tiles_are_one_digest()
    {
        const int Length = 1037;
        float[] row = [.. Words(Length).Select(BitConverter.UInt32BitsToSingle)];
        ulong[] sums = new ulong[2];
        for (int lane = 0; lane < 2; lane++)
        {
            for (int column = LogitDigest.TileTokens - 1; column >= 0; column--)
            {
                ulong sum = 0;
                for (int i = column; i < Length; i += LogitDigest.TileTokens)
                {
                    sum += LogitDigest.TileKey(i / LogitDigest.TileTokens, lane) * BitConverter.SingleToUInt32Bits(row[i]);
                }

                sums[lane] += LogitDigest.ColumnKey(column, lane) * sum;
            }
        }

        Assert.Equal(LogitDigest.Of(row), LogitDigest.Finish(sums[0], sums[1], Length));
    }

    [Fact]
    public void Its_bytes_are_read_back()
    {
        var digest = new LogitDigest(0x0123456789ABCDEF, 0xFEDCBA9876543210);
        byte[] bytes = new byte[LogitDigest.Bytes];
        digest.WriteTo(bytes);
        Assert.Equal("efcdab89674523011032547698badcfe", $"{digest}");
        Assert.Equal(digest, LogitDigest.Read(bytes));
    }

    private static IEnumerable<uint> Words(int count)
    {
        uint word = 12345;
        for (int i = 0; i < count; i++)
        {
            word = (word * 1664525) + 1013904223;
            yield return word;
        }
    }
}
