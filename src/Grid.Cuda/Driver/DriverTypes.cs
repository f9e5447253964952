using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Grid.Cuda.Driver;

// The driver's own types under the driver's own names (cuda.h, CUDA 13.0). tests/Grid.Cuda.Tests/Captures holds what a C++
// compiler says of their sizes, offsets and values.

internal readonly record struct CUdevice(int Value);

/// <summary>An address in device memory.</summary>
internal readonly record struct CUdeviceptr(ulong Address)
{
    public static CUdeviceptr operator +(CUdeviceptr start, long bytes) => new(start.Address + (ulong)bytes);
}

internal readonly record struct CUcontext(nint Value);

internal readonly record struct CUstream(nint Value);

internal readonly record struct CUevent(nint Value);

internal readonly record struct CUmodule(nint Value);

internal readonly record struct CUfunction(nint Value);

internal readonly record struct CUgraph(nint Value);

internal readonly record struct CUgraphExec(nint Value);

internal readonly record struct CUgraphNode(nint Value);

/// <summary>The codes that Grid tells apart; every other keeps its number and gets its name from the driver.</summary>
internal enum CUresult
{
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910,
}

internal enum CUdevice_attribute
{
    CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
    CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
}

internal enum CUfunction_attribute
{
    CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
    CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
    CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
    CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
    CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
}

internal enum CUlaunchAttributeID
{
    CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION = 4,
    CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6,
}

internal enum CUstreamCaptureMode
{
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
}

[Flags]
internal enum CUstream_flags : uint
{
    CU_STREAM_NON_BLOCKING = 1,
}

[Flags]
internal enum CUevent_flags : uint
{
    CU_EVENT_DEFAULT = 0,
    CU_EVENT_DISABLE_TIMING = 2,
}

[Flags]
internal enum CUmemhostalloc_flags : uint
{
    CU_MEMHOSTALLOC_PORTABLE = 1,
}

[InlineArray(16)]
internal struct CUuuid
{
    private byte bytes;
}

internal enum CUtensorMapDataType
{
    CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9,
}

internal enum CUtensorMapInterleave
{
    CU_TENSOR_MAP_INTERLEAVE_NONE = 0,
}

internal enum CUtensorMapSwizzle
{
    CU_TENSOR_MAP_SWIZZLE_128B = 3,
}

internal enum CUtensorMapL2promotion
{
    CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3,
}

internal enum CUtensorMapFloatOOBfill
{
    CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0,
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CUlaunchConfig
{
    public uint gridDimX;
    public uint gridDimY;
    public uint gridDimZ;
    public uint blockDimX;
    public uint blockDimY;
    public uint blockDimZ;
    public uint sharedMemBytes;
    public CUstream hStream;
    public CUlaunchAttribute* attrs;
    public uint numAttrs;
}

[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CUlaunchAttribute
{
    [FieldOffset(0)]
    public CUlaunchAttributeID id;

    [FieldOffset(8)]
    public CUlaunchAttributeValue value;
}

/// <summary>A union of 64 bytes; the members that Grid uses.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct CUlaunchAttributeValue
{
    [FieldOffset(0)]
    public ClusterDim clusterDim;

    [FieldOffset(0)]
    public int programmaticStreamSerializationAllowed;

    [StructLayout(LayoutKind.Sequential)]
    internal struct ClusterDim
    {
        public uint x;
        public uint y;
        public uint z;
    }
}

[StructLayout(LayoutKind.Sequential)]
internal struct CUgraphExecUpdateResultInfo
{
    public int result;
    public CUgraphNode errorNode;
    public CUgraphNode errorFromNode;
}
