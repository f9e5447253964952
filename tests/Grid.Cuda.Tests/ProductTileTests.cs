using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>Tiles of products and who takes them, on any machine.</summary>
public sealed class ProductTileTests
{
    private const int Multiprocessors = 132;

    [Fact]
    public void Every_tile_fits_into_a_multiprocessor()
    {
        Assert.All(ProductTile.All, tile => Assert.InRange(tile.SharedBytes, 1, 227 * 1024));
        Assert.All(ExpertShape.All, shape => Assert.InRange(shape.SharedBytes, 1, 227 * 1024));
    }

    [Fact]
    public void Every_tile_has_a_name_of_its_own() =>
        Assert.Equal(ProductTile.All.Count, ProductTile.All.Select(tile => tile.Name).Distinct().Count());

    [Fact]
    public void Tiles_are_made_of_whole_operands_groups_and_boxes() => Assert.All(ProductTile.All, tile =>
    {
        Assert.True(tile.Tokens == (tile.InTurn ? 1 : tile.Warpgroups) * tile.Operands * 64 || (tile.Tokens < 64 && tile.Warpgroups * tile.Operands == 1), tile.Name);
        Assert.True(tile.Tokens % (8 * tile.ShareTokens) == 0 && tile.Rows % (8 * tile.ShareWeights) == 0, tile.Name);
        Assert.InRange(tile.Cluster, 1, 2); // more leave multiprocessors empty
        Assert.InRange(tile.BoxRows, 1, 256);
    });

    [Theory]
    [InlineData(6144, 4096, 1, "t16w48c1x1")]
    [InlineData(6144, 4096, 16, "t16w48c1x1")]
    [InlineData(6144, 4096, 17, "t32w48c1x1")]
    [InlineData(6144, 4096, 100, "t64w96c1x2")]
    [InlineData(4096, 4096, 64, "t64w32c1x1")]
    [InlineData(4096, 12288, 128, "t64w64c1x2")]
    [InlineData(4096, 12288, 100_000, "t128w256c1x2b2")]
    public void A_matrix_of_a_published_model_takes_the_tile_that_was_measured(int rows, int width, int tokens, string expected)
    {
        var epilogue = rows == 4096 ? ProductEpilogue.Add : ProductEpilogue.Store;
        Assert.Equal(expected, ProductTile.All[ProductTable.Choose(rows, width, tokens, rows, epilogue, Multiprocessors).Tile].Name);
    }

    [Fact]
    public void Every_epilogue_has_tiles_for_few_tokens_and_for_many()
    {
        foreach (var epilogue in Enum.GetValues<ProductEpilogue>())
        {
            ProductTile[] tiles = [.. ProductTile.All.Where(tile => tile.Takes(64, epilogue))];
            Assert.All((int[])[16, 32, 64, 128], tokens => Assert.Contains(tiles, tile => tile.Tokens == tokens));
        }
    }

    [Fact]
    public void Every_product_has_a_tile_that_takes_it()
    {
        foreach (var epilogue in Enum.GetValues<ProductEpilogue>())
        {
            foreach ((int rows, int width) in (IEnumerable<(int, int)>)[.. ProductTable.MeasuredShapes, (8, 64), (1003, 256), (1, 8), (100_000, 520)])
            {
                int outputs = epilogue == ProductEpilogue.GatedSilu ? (rows + 1) / 2 : rows;
                foreach (int tokens in (int[])[1, 15, 16, 64, 65, 300, 5000, 100_000])
                {
                    var plan = ProductTable.Choose(rows, width, tokens, outputs, epilogue, Multiprocessors);
                    Assert.True(ProductTile.All[plan.Tile].Takes(outputs, epilogue), $"{rows} x {width}, {tokens} tokens, {epilogue}");
                    Assert.True(plan.EarlyStages >= 1);
                }
            }
        }
    }

    [Theory]
    [InlineData(64, 1003, "t64w64c1x1any")] // no multiple of eight: only one tile writes such rows
    [InlineData(1, 4096, "t16w32c1x1")] // 128 blocks, nearly one a multiprocessor
    [InlineData(64, 4096, "t64w32c1x1")]
    [InlineData(128, 4096, "t64w64c1x2")] // two token tiles share weights
    public void Any_other_matrix_takes_the_tile_that_should_be_fastest(int tokens, int outputs, string expected) =>
        Assert.Equal(expected, ProductTile.All[ProductTable.ByRule(outputs, tokens, outputs, ProductEpilogue.Store, Multiprocessors).Tile].Name);
}
