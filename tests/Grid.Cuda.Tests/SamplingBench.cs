using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Sampling;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>A sampler on the GPU.</summary>
internal sealed class SamplingBench : IDisposable
{
    private readonly CudaModule module;

    public SamplingBench(GpuFixture gpu, int maxRows, int vocabulary, KernelSource? source = null)
    {
        Context = gpu.Require();
        Stream = new CudaStream(Context);
        module = gpu.Load(source ?? SamplingKernel.Source);
        Sampler = new DeviceSampler(Context, new SamplingKernel(module), maxRows, vocabulary);
    }

    public CudaContext Context { get; }

    public CudaStream Stream { get; }

    public DeviceSampler Sampler { get; }

    /// <summary>Uploads the case's logits, samples its rows and checks that the logits are as they were.</summary>
    public SampledToken[] Run(SamplingCase values)
    {
        using var logits = DeviceMemory.Of<float>(Context, Stream, values.Logits);
        var results = new SampledToken[values.Rows.Length];
        Sampler.Sample(Stream, logits.Span, values.Rows, results);
        float[] after = new float[values.Logits.Length];
        Stream.Download<float>(after, logits.Span);
        Assert.True(
            System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(after).SequenceEqual(
                System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values.Logits)),
            "the logits were changed");
        return results;
    }

    public void Dispose()
    {
        Sampler.Dispose();
        module.Dispose();
        Stream.Dispose();
    }
}
