using System.Reflection;
using System.Runtime.InteropServices;

namespace Grid.Cuda.Driver;

/// <summary>Finds libcuda and NVRTC, and says in one sentence when one of them is missing or cannot be used.</summary>
internal static class NativeLibraries
{
    /// <summary>The driver's library; it comes with the driver and never with the toolkit.</summary>
    public const string Driver = "libcuda.so.1";

    /// <summary>What the binding calls NVRTC; <see cref="NvrtcFiles"/> says which files may stand for it.</summary>
    public const string Nvrtc = "nvrtc";

    private static readonly Lock Gate = new();
    private static bool registered;
    private static nint nvrtc;

    /// <summary>
    /// Where NVRTC is looked for, newest first: where the system's loader looks (LD_LIBRARY_PATH included), then where the
    /// toolkit's installer puts it.
    /// </summary>
    public static IReadOnlyList<string> NvrtcFiles { get; } =
    [
        "libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.12",
    ];

    /// <summary>Makes this assembly's calls find their libraries; any number of calls.</summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (!registered)
            {
                NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
                registered = true;
            }
        }
    }

    /// <summary>Loads the driver's library.</summary>
    /// <exception cref="CudaUnavailableException">It is not on this machine.</exception>
    public static void RequireDriver(string file = Driver)
    {
        if (!NativeLibrary.TryLoad(file, out _))
        {
            throw new CudaUnavailableException(
                $"the NVIDIA driver's library {file} could not be loaded; install the NVIDIA driver (R570 or newer).");
        }
    }

    /// <summary>Loads the first NVRTC of the list that makes code this driver can load.</summary>
    /// <param name="driver">CUDA version of the driver: a cubin of a newer major version is not for it. Null: the newest NVRTC will do.</param>
    /// <param name="files">File names or paths, best first; null: <see cref="NvrtcFiles"/>.</param>
    /// <exception cref="CudaUnavailableException">There is none, or only newer ones than the driver.</exception>
    public static CudaVersion RequireNvrtc(CudaVersion? driver, IReadOnlyList<string>? files = null)
    {
        Register();
        files ??= NvrtcFiles;
        lock (Gate)
        {
            CudaVersion? newer = null;
            foreach (string file in files)
            {
                if (!NativeLibrary.TryLoad(file, out nint handle))
                {
                    continue;
                }

                var version = NvrtcVersion(handle);
                if (driver is null || version.Major <= driver.Value.Major)
                {
                    // One compiler for the life of the process: the binding's calls are bound to it once.
                    nvrtc = nvrtc == 0 ? handle : nvrtc;
                    return nvrtc == handle ? version : NvrtcVersion(nvrtc);
                }

                newer = version;
            }

            throw new CudaUnavailableException(newer is { } found
                ? $"NVRTC {found} makes code that the NVIDIA driver (CUDA {driver}) cannot load; update the driver or install NVRTC {driver!.Value.Major}."
                : $"the compiler NVRTC could not be loaded, looked for as {string.Join(", ", files)}; install the CUDA toolkit's NVRTC or add its folder to LD_LIBRARY_PATH.");
        }
    }

    private static unsafe CudaVersion NvrtcVersion(nint handle)
    {
        int major;
        int minor;
        var version = (delegate* unmanaged<int*, int*, nvrtcResult>)NativeLibrary.GetExport(handle, nameof(NvrtcApi.nvrtcVersion));
        CudaException.Check(version(&major, &minor), nameof(NvrtcApi.nvrtcVersion));
        return new CudaVersion(major, minor);
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Nvrtc ? nvrtc : 0;
}
