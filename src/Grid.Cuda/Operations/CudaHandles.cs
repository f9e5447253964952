using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.Sampling;
using Grid.Models.Operations;

namespace Grid.Cuda.Operations;

/// <summary>Weights as PackWeights lays them out; gated: gate and up in turn, eight rows each.</summary>
internal sealed class CudaMatrix(string name, int rows, int columns, bool gated, DeviceHeap heap, DeviceMemory packed)
    : WeightMatrix(name, rows, columns, gated)
{
    public DeviceSpan Packed => packed.Span;

    protected override void Dispose(bool disposing)
    {
        heap.Free(packed);
        base.Dispose(disposing);
    }
}

/// <summary>One <see cref="CudaMatrix"/>'s packed weights after another, all of one size.</summary>
internal sealed class CudaExpertMatrix(
    string name, int experts, int rows, int columns, bool gated, DeviceHeap heap, DeviceMemory packed)
    : ExpertMatrix(name, experts, rows, columns, gated)
{
    public DeviceSpan Packed => packed.Span;

    protected override void Dispose(bool disposing)
    {
        heap.Free(packed);
        base.Dispose(disposing);
    }
}

internal sealed class CudaVector(string name, int length, DeviceMemory values) : WeightVector(name, length)
{
    /// <summary>[Length] bf16.</summary>
    public DeviceSpan Values => values.Span;
}

internal sealed class CudaActivation(int maxRows, int width, DeviceMemory data) : Activation(maxRows, width)
{
    /// <summary>[MaxRows, Width] bf16.</summary>
    public DeviceSpan Data => data.Span;
}

internal sealed class CudaLogits(int maxRows, int width, DeviceHeap heap, DeviceMemory data, DeviceSampler sampler)
    : LogitsBuffer(maxRows, width)
{
    /// <summary>Of so many rows.</summary>
    public DeviceSampler Sampler => sampler;

    /// <summary>[MaxRows, Width] fp32.</summary>
    public DeviceSpan Data => data.Span;

    protected override void Dispose(bool disposing)
    {
        heap.Free(sampler);
        heap.Free(data);
        base.Dispose(disposing);
    }
}

internal sealed class CudaExpertRouting(int maxRows, int experts, int slots, int width, ExpertRoutingMemory memory)
    : ExpertRouting(maxRows, experts, slots, width)
{
    public ExpertRoutingMemory Memory => memory;
}

internal sealed class CudaRotaryTable(int positions, int headDim, DeviceMemory cos, DeviceMemory sin) : RotaryTable(positions, headDim)
{
    /// <summary>[Positions, HeadDim / 2] fp32.</summary>
    public DeviceSpan Cos => cos.Span;

    /// <summary>[Positions, HeadDim / 2] fp32.</summary>
    public DeviceSpan Sin => sin.Span;
}

/// <summary>[layer][page][KV head][key image, value image], as the attention kernels read them.</summary>
internal sealed class CudaKvCache(int layers, int kvHeads, int headDim, int pages, DeviceHeap heap, DeviceMemory data)
    : KvCache(layers, kvHeads, headDim, pages)
{
    public DeviceSpan Data => data.Span;

    /// <summary>The pages of one layer.</summary>
    public DeviceSpan Layer(int layer)
    {
        long bytes = AttentionKernel.PageBytes(KvHeads, HeadDim) * Pages;
        return data.Span.Slice(layer * bytes, bytes);
    }

    protected override void Dispose(bool disposing)
    {
        heap.Free(data);
        base.Dispose(disposing);
    }
}
