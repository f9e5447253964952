using Grid.Cpu;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Numerics;
using Grid.Silo.Devices;
using Grid.Silo.Options;

namespace Grid.Benchmarks.Overhead;

/// <summary>A node's device that costs nothing, with a GPU's limits and room for the benchmark's sequences.</summary>
internal sealed class FreeDevice(OverheadOptions options) : NodeDevice("free", DeviceDefaults.Cuda)
{
    /// <summary>Pages for all sequences, with one to spare for each.</summary>
    public static int Pages(OverheadOptions options) =>
        options.Streams * (((options.PromptTokens + options.OutputTokens) / AttentionLayout.BlockTokens) + 2);

    public FreeOperations? Operations { get; private set; }

    public override int MaxLogitRows => 512;

    public override IOperations Open(TextWriter output) => Operations = Create(options);

    public static FreeOperations Create(OverheadOptions options) =>
        new(new CpuOperations(new CpuOptions { Threads = 1 }), options.StepMilliseconds);

    public override void RequireRoom(ModelMemory model)
    {
    }

    public override long KvCacheBytes(ModelMemory model) => Pages(options) * model.KvPageBytes;
}
