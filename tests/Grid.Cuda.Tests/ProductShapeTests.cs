using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

public sealed class ProductShapeTests
{
    [Fact]
    public void Every_shape_fits_into_a_multiprocessor() =>
        Assert.All(ProductShape.All, shape => Assert.InRange(shape.SharedBytes, 1, 227 * 1024));

    [Theory]
    [InlineData(1, 64, 8)]
    [InlineData(8, 64, 8)]
    [InlineData(9, 64, 16)]
    [InlineData(17, 64, 32)]
    [InlineData(64, 64, 64)]
    [InlineData(65, 64, 128)]
    [InlineData(256, 64, 128)] // 32 blocks of the largest shape would leave most of the GPU idle
    [InlineData(256, 384, 256)]
    [InlineData(8192, 64, 256)]
    public void The_smallest_tile_that_holds_the_tokens_is_taken(int tokens, int weightTiles, int expected) =>
        Assert.Equal(expected, ProductShape.All[ProductShape.Choose(tokens, weightTiles, 132)].Tokens);
}
