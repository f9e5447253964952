namespace Grid.Cuda.Tests;

/// <summary>What an image's build makes is what a GPU takes.</summary>
[Collection(GpuCollection.Name)]
public sealed class PackedKernelsTests(OperationsFixture device)
{
    [Fact]
    public void A_GPU_takes_the_kernels_that_were_packed_and_compiles_none()
    {
        device.Require();
        var folder = Directory.CreateTempSubdirectory("grid-packed-");
        try
        {
            CudaKernels.Build(folder.FullName);
            var told = new Recorder();
            using var operations = device.Open(new CudaOptions { PrebuiltFolder = folder.FullName, KernelBuild = told });
            Assert.Equal((true, 0), (told.Last.Prebuilt, told.Last.Compiled));
            Assert.Equal(told.Last.Total, told.Last.Done);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private sealed class Recorder : IProgress<KernelBuildProgress>
    {
        public KernelBuildProgress Last { get; private set; }

        public void Report(KernelBuildProgress value) => Last = value;
    }
}
