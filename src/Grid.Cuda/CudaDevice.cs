using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Grid.Cuda.Driver;
using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda;

/// <summary>A GPU as the driver describes it; nothing is held open.</summary>
public sealed record CudaDevice
{
    /// <summary>The driver Grid needs at least: every entry point that it calls is there.</summary>
    internal static readonly CudaVersion OldestDriver = new(12, 8);

    internal CudaDevice()
    {
    }

    /// <summary>Its number among the GPUs that this process sees (CUDA_VISIBLE_DEVICES applies).</summary>
    public required int Ordinal { get; init; }

    /// <summary>Such as NVIDIA H100 80GB HBM3.</summary>
    public required string Name { get; init; }

    /// <summary>The GPU's own id, in the form that nvidia-smi prints: GPU-xxxxxxxx-xxxx-….</summary>
    public required string Uuid { get; init; }

    /// <summary>Compute capability, major.</summary>
    public required int ComputeMajor { get; init; }

    /// <summary>Compute capability, minor.</summary>
    public required int ComputeMinor { get; init; }

    /// <summary>Bytes of device memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int Multiprocessors { get; init; }

    /// <summary>Bytes of L2 cache.</summary>
    public required int L2Bytes { get; init; }

    /// <summary>Bytes of shared memory that one block may ask for.</summary>
    public required int SharedBytesPerBlock { get; init; }

    /// <summary>Bytes of shared memory of one multiprocessor.</summary>
    public required int SharedBytesPerMultiprocessor { get; init; }

    /// <summary>The GPUs that this process sees, whether Grid can use them or not.</summary>
    /// <exception cref="CudaUnavailableException">There is no driver, it is too old, or it sees no GPU.</exception>
    public static unsafe IReadOnlyList<CudaDevice> List()
    {
        _ = RequireDriver();
        int count;
        CudaException.Check(cuDeviceGetCount(&count), nameof(cuDeviceGetCount));
        return [.. Enumerable.Range(0, count).Select(Describe)];
    }

    /// <summary>One GPU that Grid can use.</summary>
    /// <exception cref="CudaUnavailableException">There is no usable driver, no such GPU, or it is no Hopper.</exception>
    public static CudaDevice Require(int ordinal)
    {
        var devices = List();
        if (ordinal < 0 || ordinal >= devices.Count)
        {
            throw new CudaUnavailableException(
                $"there is no GPU {ordinal}; this process sees {devices.Count}, numbered from 0.");
        }

        devices[ordinal].RequireHopper();
        return devices[ordinal];
    }

    /// <summary>Loads and starts the driver.</summary>
    internal static unsafe CudaVersion RequireDriver()
    {
        NativeLibraries.RequireDriver();
        int number;
        CudaException.Check(cuDriverGetVersion(&number), nameof(cuDriverGetVersion));
        var version = CudaVersion.FromNumber(number);
        RequireDriver(version);
        var result = cuInit(0);
        if (result != CUresult.CUDA_SUCCESS)
        {
            var failure = CudaException.Of(result, nameof(cuInit));
            throw new CudaUnavailableException(
                result == CUresult.CUDA_ERROR_NO_DEVICE ? "the NVIDIA driver sees no GPU." : failure.Message, failure);
        }

        return version;
    }

    internal static void RequireDriver(CudaVersion version)
    {
        if (version < OldestDriver)
        {
            throw new CudaUnavailableException(
                $"the NVIDIA driver supports CUDA {version}, and Grid needs {OldestDriver} (R570) or newer; update the driver.");
        }
    }

    internal void RequireHopper()
    {
        // sm_90a code runs on 9.0 alone: neither older nor newer GPUs can load it, and only there were the bits measured.
        if (ComputeMajor != 9 || ComputeMinor != 0)
        {
            throw new CudaUnavailableException(
                $"GPU {Ordinal} ({Name}) has compute capability {ComputeMajor}.{ComputeMinor}, and Grid's kernels need 9.0 (H100, H200, GH200).");
        }
    }

    private static unsafe CudaDevice Describe(int ordinal)
    {
        CUdevice device;
        CudaException.Check(cuDeviceGet(&device, ordinal), nameof(cuDeviceGet));
        byte* name = stackalloc byte[256];
        CudaException.Check(cuDeviceGetName(name, 256, device), nameof(cuDeviceGetName));
        CUuuid uuid;
        CudaException.Check(cuDeviceGetUuid_v2(&uuid, device), nameof(cuDeviceGetUuid_v2));
        nuint bytes;
        CudaException.Check(cuDeviceTotalMem_v2(&bytes, device), nameof(cuDeviceTotalMem_v2));
        return new CudaDevice
        {
            Ordinal = ordinal,
            Name = Marshal.PtrToStringUTF8((nint)name) ?? string.Empty,
            Uuid = FormatUuid(uuid),
            ComputeMajor = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
            ComputeMinor = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            MemoryBytes = checked((long)bytes),
            Multiprocessors = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
            L2Bytes = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE),
            SharedBytesPerBlock = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
            SharedBytesPerMultiprocessor = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
        };
    }

    private static unsafe int Attribute(CUdevice device, CUdevice_attribute attribute)
    {
        int value;
        CudaException.Check(cuDeviceGetAttribute(&value, attribute, device), nameof(cuDeviceGetAttribute));
        return value;
    }

    internal static string FormatUuid(CUuuid uuid)
    {
        var bytes = MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<CUuuid, byte>(ref uuid), 16);
        return $"GPU-{new Guid(bytes, bigEndian: true)}";
    }
}
