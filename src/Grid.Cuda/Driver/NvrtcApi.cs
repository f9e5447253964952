using System.Runtime.InteropServices;

namespace Grid.Cuda.Driver;

internal readonly record struct nvrtcProgram(nint Value);

/// <summary>The codes that Grid tells apart; every other keeps its number and gets its name from the library.</summary>
internal enum nvrtcResult
{
    NVRTC_SUCCESS = 0,
    NVRTC_ERROR_INVALID_OPTION = 5,
    NVRTC_ERROR_COMPILATION = 6,
}

/// <summary>The functions of NVRTC that Grid calls (nvrtc.h, CUDA 12.8 to 13.0: the same in both majors).</summary>
internal static unsafe partial class NvrtcApi
{
    static NvrtcApi() => NativeLibraries.Register();

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcVersion(int* major, int* minor);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial byte* nvrtcGetErrorString(nvrtcResult result);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcCreateProgram(
        nvrtcProgram* prog, byte* src, byte* name, int numHeaders, byte** headers, byte** includeNames);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcCompileProgram(nvrtcProgram prog, int numOptions, byte** options);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcDestroyProgram(nvrtcProgram* prog);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetCUBINSize(nvrtcProgram prog, nuint* cubinSizeRet);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetCUBIN(nvrtcProgram prog, byte* cubin);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetPTXSize(nvrtcProgram prog, nuint* ptxSizeRet);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetPTX(nvrtcProgram prog, byte* ptx);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram prog, nuint* logSizeRet);

    [LibraryImport(NativeLibraries.Nvrtc)]
    internal static partial nvrtcResult nvrtcGetProgramLog(nvrtcProgram prog, byte* log);
}
