using System.Diagnostics;
using System.Globalization;
using Grid.Cuda;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Options;
using Grid.Silo.Options;

namespace Grid.Silo.Devices;

/// <summary>A GPU of this node.</summary>
internal sealed class CudaNodeDevice : NodeDevice
{
    private readonly int _ordinal;
    private readonly NodeOptions _options;
    private CudaOperations? _operations;
    private CudaMemoryInfo _atStart;

    public CudaNodeDevice(int ordinal, NodeOptions options)
        : base(NameOf(ordinal), DeviceDefaults.Cuda.With(options))
    {
        _ordinal = ordinal;
        _options = options;
    }

    /// <inheritdoc/>
    public override int MaxLogitRows => Math.Min(Limits.MaxBatchTokens, Math.Clamp(Limits.MaxRunningRequests, 128, 512));

    /// <inheritdoc/>
    public override long ExpertOutputBytesLimit => CudaModelNeeds.ExpertOutputBytesLimit;

    /// <summary>What a GPU is called on its node.</summary>
    public static string NameOf(int ordinal) => string.Create(CultureInfo.InvariantCulture, $"cuda:{ordinal}");

    /// <inheritdoc/>
    public override IOperations Open(TextWriter output)
    {
        var clock = Stopwatch.StartNew();
        var progress = new KernelProgress(output, Name);
        try
        {
            _operations = CudaOperations.Open(
                CudaDevice.Require(_ordinal), new CudaOptions { KernelCacheFolder = _options.KernelCache, KernelBuild = progress });
            progress.Describe(clock.Elapsed);
            _atStart = _operations.Memory;
            return _operations;
        }
        catch (Exception exception) when (Explain(exception) is not null)
        {
            throw new DeviceException(Explain(exception)!, exception);
        }
    }

    /// <inheritdoc/>
    public override void RequireRoom(ModelMemory model)
    {
        if (CudaModelNeeds.Unsupported(model.Config) is { } reason)
        {
            throw new StartException($"The model cannot run on {Name}: {reason}");
        }

        CudaMemoryPlan.RequireRoom(Name, Plan(_atStart.FreeBytes), model);
    }

    /// <inheritdoc/>
    public override long KvCacheBytes(ModelMemory model) => CudaMemoryPlan.KvCacheBytes(Name, Plan(_operations!.Memory.FreeBytes), model);

    /// <inheritdoc/>
    public override string? Explain(Exception exception) => exception switch
    {
        CudaUnavailableException unavailable => unavailable.Reason,
        CudaException or KernelBuildException or CudaOutOfMemoryException => exception.Message,
        _ => null,
    };

    private CudaMemoryPlan Plan(long freeNow) =>
        new(_atStart.FreeBytes, freeNow, _options.MemFractionStatic ?? DeviceDefaults.MemFractionStatic, _options.KvCacheMemory, MaxLogitRows);

    /// <summary>Says that kernels are being compiled, and what it came to.</summary>
    private sealed class KernelProgress(TextWriter output, string device) : IProgress<KernelBuildProgress>
    {
        private readonly Lock _lock = new();
        private KernelBuildProgress _latest;
        private bool _said;

        public void Report(KernelBuildProgress value)
        {
            lock (_lock)
            {
                _latest = value.Done > _latest.Done ? value : _latest;
                if (value.Compiled > 0 && !_said)
                {
                    _said = true;
                    output.WriteLine(value.CacheProblem is null
                        ? $"Kernels for {device} are being compiled; the next start finds them in the cache"
                        : $"Kernels for {device} are being compiled");
                    output.Flush();
                }
            }
        }

        public void Describe(TimeSpan elapsed)
        {
            lock (_lock)
            {
                string how = _latest.Prebuilt ? "all packed with the program" : _latest.Compiled == 0 ? "all from the cache" : string.Create(CultureInfo.InvariantCulture, $"{_latest.Compiled} compiled");
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Kernels {device}: {_latest.Total}, {how}, ready in {elapsed.TotalSeconds:0.0} s"));
                if (_latest.CacheProblem is { } problem)
                {
                    output.WriteLine($"        they are not kept, and the next start compiles them again (--kernel-cache names another folder): {problem}");
                }
            }
        }
    }
}
