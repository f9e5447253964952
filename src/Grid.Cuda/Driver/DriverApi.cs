using System.Runtime.InteropServices;

namespace Grid.Cuda.Driver;

/// <summary>
/// The functions of the CUDA driver that Grid calls, under the names that the library exports: where cuda.h maps a name to a
/// newer version (cuMemAlloc to cuMemAlloc_v2), the version stands here. Nothing is checked in this file; callers pass every
/// result to <see cref="CudaException.Check(CUresult, string)"/>. All entry points exist since CUDA 12.8.
/// </summary>
internal static unsafe partial class DriverApi
{
    // Before the first call: how the library is found.
    static DriverApi() => NativeLibraries.Register();

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuInit(uint Flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDriverGetVersion(int* driverVersion);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGetErrorName(CUresult error, byte** pStr);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGetErrorString(CUresult error, byte** pStr);

    // ---- Devices and contexts --------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceGetCount(int* count);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceGet(CUdevice* device, int ordinal);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceGetName(byte* name, int len, CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceGetAttribute(int* pi, CUdevice_attribute attrib, CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDeviceTotalMem_v2(nuint* bytes, CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDevicePrimaryCtxRetain(CUcontext* pctx, CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuCtxSetCurrent(CUcontext ctx);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuCtxSynchronize();

    // ---- Streams and events ----------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamCreate(CUstream* phStream, CUstream_flags Flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamDestroy_v2(CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamSynchronize(CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamQuery(CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, uint Flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventCreate(CUevent* phEvent, CUevent_flags Flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventRecord(CUevent hEvent, CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventSynchronize(CUevent hEvent);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventQuery(CUevent hEvent);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventElapsedTime_v2(float* pMilliseconds, CUevent hStart, CUevent hEnd);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuEventDestroy_v2(CUevent hEvent);

    // ---- Memory ----------------------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemAlloc_v2(CUdeviceptr* dptr, nuint bytesize);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemFree_v2(CUdeviceptr dptr);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemGetInfo_v2(nuint* free, nuint* total);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemHostAlloc(void** pp, nuint bytesize, CUmemhostalloc_flags Flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemFreeHost(void* p);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, void* srcHost, nuint ByteCount, CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemcpyDtoHAsync_v2(void* dstHost, CUdeviceptr srcDevice, nuint ByteCount, CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, nuint ByteCount, CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuMemsetD8Async(CUdeviceptr dstDevice, byte uc, nuint N, CUstream hStream);

    // ---- Modules and launches --------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuModuleLoadData(CUmodule* module, void* image);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuModuleUnload(CUmodule hmod);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuModuleGetFunction(CUfunction* hfunc, CUmodule hmod, byte* name);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuFuncGetParamInfo(CUfunction func, nuint paramIndex, nuint* paramOffset, nuint* paramSize);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuLaunchKernelEx(CUlaunchConfig* config, CUfunction f, void** kernelParams, void** extra);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(
        int* numBlocks, CUfunction func, int blockSize, nuint dynamicSMemSize);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuOccupancyMaxActiveClusters(int* numClusters, CUfunction func, CUlaunchConfig* config);

    // ---- Tensor copies ---------------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuTensorMapEncodeTiled(
        CUtensorMap* tensorMap, CUtensorMapDataType tensorDataType, uint tensorRank, void* globalAddress, ulong* globalDim,
        ulong* globalStrides, uint* boxDim, uint* elementStrides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
        CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill);

    // ---- Graphs ----------------------------------------------------------------------------------------------

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuStreamEndCapture(CUstream hStream, CUgraph* phGraph);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGraphInstantiateWithFlags(CUgraphExec* phGraphExec, CUgraph hGraph, ulong flags);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGraphExecUpdate_v2(
        CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo* resultInfo);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGraphExecDestroy(CUgraphExec hGraphExec);

    [LibraryImport(NativeLibraries.Driver)]
    internal static partial CUresult cuGraphDestroy(CUgraph hGraph);
}
