using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using Grid.Cuda.Driver;

namespace Grid.Cuda;

/// <summary>A call of the CUDA driver or of NVRTC that failed.</summary>
public sealed class CudaException : Exception
{
    private CudaException(string call, int code, string name, string text, string? detail)
        : base(string.Create(
            CultureInfo.InvariantCulture, $"{call} failed with {name} ({code}): {text}{(detail is null ? "." : $"; {detail}.")}"))
    {
        Call = call;
        Code = code;
        Name = name;
    }

    /// <summary>The function as the library exports it, such as cuMemAlloc_v2.</summary>
    public string Call { get; }

    /// <summary>The code it returned.</summary>
    public int Code { get; }

    /// <summary>The code's name, such as CUDA_ERROR_OUT_OF_MEMORY.</summary>
    public string Name { get; }

    /// <summary>Nothing for success; does not allocate then.</summary>
    internal static void Check(CUresult result, string call)
    {
        if (result != CUresult.CUDA_SUCCESS)
        {
            Throw(result, call, null);
        }
    }

    internal static void Check(nvrtcResult result, string call)
    {
        if (result != nvrtcResult.NVRTC_SUCCESS)
        {
            throw Of(result, call);
        }
    }

    [DoesNotReturn]
    internal static void Throw(CUresult result, string call, string? detail) => throw Of(result, call, detail);

    internal static unsafe CudaException Of(CUresult result, string call, string? detail = null)
    {
        byte* name = null;
        byte* text = null;
        _ = DriverApi.cuGetErrorName(result, &name);
        _ = DriverApi.cuGetErrorString(result, &text);
        return new CudaException(call, (int)result, Text(name), Text(text), detail);
    }

    internal static unsafe CudaException Of(nvrtcResult result, string call)
    {
        string name = Text(NvrtcApi.nvrtcGetErrorString(result));
        return new CudaException(call, (int)result, name, "the kernel compiler gave up", null);
    }

    private static unsafe string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "an unknown code";
}
