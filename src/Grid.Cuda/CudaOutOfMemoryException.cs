using System.Globalization;

namespace Grid.Cuda;

/// <summary>The GPU has less memory free than something needs.</summary>
public sealed class CudaOutOfMemoryException : Exception
{
    /// <param name="what">What the memory is for, as part of a sentence.</param>
    /// <param name="needed">Bytes asked for.</param>
    /// <param name="memory">What there is.</param>
    public CudaOutOfMemoryException(string what, long needed, CudaMemoryInfo memory)
        : base(string.Create(
            CultureInfo.InvariantCulture,
            $"{what} needs {needed} bytes of the GPU's memory, and {memory.FreeBytes} of {memory.TotalBytes} are free."))
    {
        NeededBytes = needed;
        Memory = memory;
    }

    /// <summary>Bytes asked for.</summary>
    public long NeededBytes { get; }

    /// <summary>What there was.</summary>
    public CudaMemoryInfo Memory { get; }
}

/// <summary>A GPU's memory at one moment; other processes take from it too.</summary>
/// <param name="FreeBytes">Free.</param>
/// <param name="TotalBytes">In all.</param>
public readonly record struct CudaMemoryInfo(long FreeBytes, long TotalBytes);
