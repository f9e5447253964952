using Grid.Cuda.Kernels.Experts;

namespace Grid.Cuda.Tests;

public sealed class ExpertShapeTests
{
    [Theory]
    [InlineData(1, 128, 8, 8)]
    [InlineData(64, 128, 8, 8)]
    [InlineData(65, 128, 8, 16)]
    [InlineData(256, 128, 8, 32)]
    [InlineData(1024, 128, 8, 32)]
    [InlineData(2048, 128, 8, 256)]
    [InlineData(8192, 128, 8, 256)]
    [InlineData(8192, 8, 2, 256)]
    public void Tiles_follow_an_experts_mean_share(int rows, int experts, int slots, int expected) =>
        Assert.Equal(expected, ExpertShape.All[ExpertKernels.ChooseShape(rows, experts, slots)].Tokens);
}
