using System.Globalization;
using Grid.Cpu;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Options;
using Grid.Silo.Options;

namespace Grid.Silo.Devices;

/// <summary>The CPU, or a part of its cores and memory where a node runs several workers on it.</summary>
internal sealed class CpuNodeDevice : NodeDevice
{
    private const long MostUnasked = 1L << 30;

    private readonly NodeOptions _options;
    private readonly int _threads;
    private readonly long _memory;

    /// <param name="name">Its name on the node.</param>
    /// <param name="options">The node's options.</param>
    /// <param name="index">Which of the parts, from 0.</param>
    /// <param name="parts">Parts in all.</param>
    public CpuNodeDevice(string name, NodeOptions options, int index, int parts)
        : base(name, DeviceDefaults.Cpu.With(options))
    {
        _options = options;
        _threads = Part(options.CpuThreads > 0 ? options.CpuThreads : Environment.ProcessorCount, index, parts);
        _memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / parts;
    }

    /// <inheritdoc/>
    public override int MaxLogitRows => Math.Min(Limits.MaxBatchTokens, 128);

    /// <inheritdoc/>
    public override IOperations Open(TextWriter output) => new CpuOperations(new CpuOptions { Threads = _threads });

    /// <inheritdoc/>
    public override void RequireRoom(ModelMemory model)
    {
        long needed = Besides(model) + KvCacheBytes(model);
        if (needed > _memory)
        {
            throw new StartException(
                $"The model does not fit: on {Name} it needs {ByteSize.Format(needed)} ({ByteSize.Format(model.WeightBytes)} of weights), and {ByteSize.Format(_memory)} of this machine's memory are there for it.");
        }
    }

    /// <inheritdoc/>
    public override long KvCacheBytes(ModelMemory model)
    {
        long budget = _options.KvCacheMemory
            ?? (_options.MemFractionStatic is { } fraction ? (long)(fraction * _memory) - Besides(model) : Math.Min(_memory / 4, MostUnasked));
        return budget >= model.KvPageBytes && budget <= _memory
            ? budget
            : throw new StartException(_options.MemFractionStatic is { } share
                ? string.Create(CultureInfo.InvariantCulture, $"--mem-fraction-static is {share}; of this machine's memory ({ByteSize.Format(_memory)} for {Name}) it must leave at least one page ({ByteSize.Format(model.KvPageBytes)}) for the KV cache, besides the weights ({ByteSize.Format(model.WeightBytes)}).")
                : $"--kv-cache-memory is {ByteSize.Format(budget)}; it must hold at least one page ({ByteSize.Format(model.KvPageBytes)}) and fit in this machine's memory ({ByteSize.Format(_memory)} for {Name}).");
    }

    /// <summary>What a model takes besides its KV cache.</summary>
    private long Besides(ModelMemory model) => model.WeightBytes + model.WorkingBytes + model.LogitBytes(MaxLogitRows);

    /// <summary>Cores of one part: as equal as they can be, one at least.</summary>
    internal static int Part(int cores, int index, int parts) => Math.Max(1, (cores / parts) + (index < cores % parts ? 1 : 0));
}
