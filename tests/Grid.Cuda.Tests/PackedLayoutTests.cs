using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>The layout of packed weights, on any machine.</summary>
public sealed class PackedLayoutTests
{
    [Theory]
    [InlineData(1, 8, 64, 64)]
    [InlineData(64, 64, 64, 64)]
    [InlineData(65, 72, 128, 128)]
    [InlineData(151936, 4096, 151936, 4096)]
    public void Rows_and_width_are_padded_to_whole_chunks(int rows, int width, int paddedRows, int paddedWidth)
    {
        var layout = new PackedLayout(rows, width);
        Assert.Equal((paddedRows, paddedWidth), (layout.PaddedRows, layout.PaddedWidth));
        Assert.Equal((long)paddedRows * paddedWidth * 2, layout.Bytes);
    }

    [Theory]
    [InlineData(8, 16)]
    [InlineData(9, 32)]
    [InlineData(12288, 24576)]
    public void Gate_and_up_take_whole_groups_of_eight_rows_each(int rows, int packedRows) =>
        Assert.Equal(packedRows, PackedLayout.Gated(rows, 64).Rows);

    [Theory]
    [InlineData(100, 200)]
    [InlineData(64, 64)]
    public void Every_element_has_a_place_of_its_own_and_eight_rows_of_a_chunk_lie_together(int rows, int width)
    {
        var layout = new PackedLayout(rows, width);
        bool[] seen = new bool[layout.Bytes / sizeof(ushort)];
        for (int r = 0; r < layout.PaddedRows; r++)
        {
            for (int k = 0; k < layout.PaddedWidth; k++)
            {
                long place = PackedPlace.Of(r, k, layout.PaddedRows);
                Assert.False(seen[place]);
                seen[place] = true;
                long group = (((long)(k / 64) * layout.PaddedRows) + (r / 8 * 8)) * 64;
                Assert.InRange(place, group, group + (8 * 64) - 1);
            }
        }

        Assert.DoesNotContain(false, seen);
    }

    [Fact]
    public void No_tile_reads_farther_behind_a_matrix_than_there_is_room()
    {
        foreach (var tile in ProductTile.All)
        {
            for (int rows = 8; rows <= 1024; rows += 8)
            {
                int last = (rows - 1) / tile.Rows * tile.Rows; // where the last tile begins
                int behind = last + tile.Rows - new PackedLayout(rows, 64).PaddedRows;
                Assert.True(behind * PackedLayout.ChunkRowBytes <= PackedLayout.ReadAheadBytes, $"{tile.Name}, {rows} rows");
            }
        }
    }

    [Theory]
    [InlineData(8, 0, false, true)]
    [InlineData(9, 0, false, false)]
    [InlineData(4, 4, false, true)]
    [InlineData(4, 5, false, false)]
    [InlineData(4, 4, true, true)]
    [InlineData(9, 0, true, false)]
    public void A_part_that_does_not_fit_is_refused(int rows, int firstRow, bool interleaved, bool fits)
    {
        var layout = new PackedLayout(8, 64);
        if (fits)
        {
            layout.RequireRows(rows, firstRow, interleaved);
        }
        else
        {
            var e = Assert.Throws<ArgumentOutOfRangeException>(() => layout.RequireRows(rows, firstRow, interleaved));
            Assert.Contains("of a packed matrix of 8.", e.Message, StringComparison.Ordinal);
        }
    }
}
