using Grid.Cuda;
using Grid.Options;
using Grid.Silo.Options;

namespace Grid.Silo.Devices;

/// <summary>A GPU of this machine.</summary>
/// <param name="Ordinal">Its number among those that the process sees.</param>
/// <param name="Name">Such as NVIDIA H100 80GB HBM3.</param>
/// <param name="Problem">Why Grid cannot use it, a sentence; null when it can.</param>
internal sealed record GpuFound(int Ordinal, string Name, string? Problem);

/// <summary>Turns --device into the devices of this node, and says what it decided: no GPU is passed over silently.</summary>
internal sealed class DeviceFinder(NodeOptions options, Func<IReadOnlyList<GpuFound>> listGpus, TextWriter output)
{
    /// <summary>The devices to use. Throws <see cref="StartException"/> where one that was asked for cannot be used.</summary>
    public static IReadOnlyList<NodeDevice> Find(NodeOptions options, TextWriter output) =>
        new DeviceFinder(options, ListGpus, output).Find();

    /// <summary>The devices to use. Throws <see cref="StartException"/> where one that was asked for cannot be used, or an
    /// option is about devices that are not among them.</summary>
    public IReadOnlyList<NodeDevice> Find()
    {
        var devices = Choose();
        if (!devices.Any(device => device is CudaNodeDevice))
        {
            RefuseIfGiven("--kernel-cache", options.KernelCache is not null, "GPUs, and this node computes on its CPU");
        }

        if (!devices.Any(device => device is CpuNodeDevice))
        {
            RefuseIfGiven("--cpu-threads", options.CpuThreads > 0, "the CPU, and this node computes on its GPUs");
        }

        if (options.CpuThreads > Environment.ProcessorCount)
        {
            throw new StartException($"--cpu-threads is {options.CpuThreads}; this process may use {Environment.ProcessorCount} cores, and no more threads than that are of use.", StartException.Usage);
        }

        if (options.MemFractionStatic is not null && options.KvCacheMemory is not null)
        {
            throw new StartException("--mem-fraction-static and --kv-cache-memory are both given, and each says how large the KV cache is; leave one out.", StartException.Usage);
        }

        return devices;
    }

    private static void RefuseIfGiven(string option, bool given, string about)
    {
        if (given)
        {
            throw new StartException($"{option} is given, but it is about {about}; leave it out.", StartException.Usage);
        }
    }

    private IReadOnlyList<NodeDevice> Choose()
    {
        if (options.Device.IsAuto)
        {
            return Automatic();
        }

        if (options.Device.Devices is [{ Kind: DeviceKind.Cuda, Ordinal: null }])
        {
            return EveryGpu();
        }

        int cpus = options.Device.Devices.Count(device => device.Kind == DeviceKind.Cpu);
        int cpu = 0;
        IReadOnlyList<GpuFound>? gpus = null;
        var devices = new List<NodeDevice>();
        foreach (var requested in options.Device.Devices)
        {
            devices.Add(requested.Kind == DeviceKind.Cuda
                ? Gpu(gpus ??= RequireGpus(), requested.Ordinal!.Value)
                : new CpuNodeDevice(cpus == 1 ? "cpu" : $"cpu:{cpu}", options, cpu++, cpus));
        }

        return devices;
    }

    private IReadOnlyList<NodeDevice> Automatic()
    {
        IReadOnlyList<GpuFound> gpus;
        try
        {
            gpus = listGpus();
        }
        catch (CudaUnavailableException exception)
        {
            return TheCpu(exception.Reason);
        }

        var usable = Usable(gpus);
        return usable.Count > 0 ? usable : TheCpu(gpus.Count == 0 ? "the NVIDIA driver sees no GPU." : "none of this machine's GPUs can be used.");
    }

    private List<NodeDevice> EveryGpu()
    {
        var gpus = RequireGpus();
        var usable = Usable(gpus);
        return usable.Count > 0 ? usable : throw Refused(gpus.Count == 0 ? "the NVIDIA driver sees no GPU." : gpus[0].Problem!);
    }

    private IReadOnlyList<NodeDevice> TheCpu(string reason)
    {
        output.WriteLine($"Device  auto is the CPU here: {reason}");
        return [new CpuNodeDevice("cpu", options, 0, 1)];
    }

    private List<NodeDevice> Usable(IReadOnlyList<GpuFound> gpus)
    {
        foreach (var gpu in gpus.Where(gpu => gpu.Problem is not null))
        {
            output.WriteLine($"Device  {CudaNodeDevice.NameOf(gpu.Ordinal)} is left out: {gpu.Problem}");
        }

        return [.. gpus.Where(gpu => gpu.Problem is null).Select(gpu => new CudaNodeDevice(gpu.Ordinal, options))];
    }

    private CudaNodeDevice Gpu(IReadOnlyList<GpuFound> gpus, int ordinal)
    {
        var gpu = gpus.FirstOrDefault(gpu => gpu.Ordinal == ordinal)
            ?? throw Refused($"there is no GPU {ordinal}; this process sees {gpus.Count}, numbered from 0.");
        return gpu.Problem is null ? new CudaNodeDevice(ordinal, options) : throw Refused(gpu.Problem);
    }

    private IReadOnlyList<GpuFound> RequireGpus()
    {
        try
        {
            return listGpus();
        }
        catch (CudaUnavailableException exception)
        {
            throw Refused(exception.Reason);
        }
    }

    private StartException Refused(string reason)
    {
        string asked = string.Join(',', options.Device.Devices.Select(device => device.Kind == DeviceKind.Cpu ? "cpu" : device.Ordinal is { } ordinal ? CudaNodeDevice.NameOf(ordinal) : "cuda"));
        return new StartException($"--device is {asked}, and CUDA cannot be used: {reason} --device cpu computes on the CPU.");
    }

    private static IReadOnlyList<GpuFound> ListGpus() => [.. CudaDevice.List().Select(gpu => new GpuFound(gpu.Ordinal, gpu.Name, Problem(gpu)))];

    private static string? Problem(CudaDevice gpu)
    {
        try
        {
            CudaDevice.Require(gpu.Ordinal);
            return null;
        }
        catch (CudaUnavailableException exception)
        {
            return exception.Reason;
        }
    }
}
