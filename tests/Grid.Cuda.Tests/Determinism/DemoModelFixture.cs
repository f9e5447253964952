using Grid.Cuda;
using Grid.Cuda.Tests;
using Grid.Determinism.Tests.Harness;
using Grid.Engine;
using Grid.Models;

[assembly: AssemblyFixture(typeof(DemoModelFixture))]

namespace Grid.Determinism.Tests.Harness;

/// <summary>The demo model on the GPU: what stands in for the CPU's fixture when the determinism tests run here.</summary>
public sealed class DemoModelFixture : IDisposable
{
    /// <summary>Rows that the model takes in one pass.</summary>
    public const int MaxRows = 1200;

    private readonly OperationsFixture device = new();
    private readonly List<EngineRun> engines = [];
    private LoadedModel? loaded;

    /// <summary>The operations, or a reason to skip.</summary>
    internal CudaOperations Operations => device.Require();

    /// <summary>An engine with an empty cache.</summary>
    internal EngineRun NewEngine(int pages = 64, int chunk = 256, int batch = 512, int running = 160, int logitRows = 128)
    {
        var operations = device.Require();
        loaded ??= ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions { MaxBatchTokens = MaxRows });
        var engine = new EngineRun(loaded.Model, operations, new EngineOptions
        {
            KvPages = pages,
            PrefillChunkTokens = chunk,
            MaxBatchTokens = batch,
            MaxRunningSequences = running,
            MaxLogitRows = logitRows,
        });
        engines.Add(engine);
        return engine;
    }

    /// <summary>What the request gives when nothing else ever ran.</summary>
    internal SequenceResult Alone(SequenceRequest request)
    {
        var engine = NewEngine(pages: 40);
        var result = engine.Run(request);
        engine.Dispose();
        return result;
    }

    public void Dispose()
    {
        foreach (var engine in engines)
        {
            engine.Dispose();
        }

        loaded?.Dispose();
        device.Dispose();
    }
}
