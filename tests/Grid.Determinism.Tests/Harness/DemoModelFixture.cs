using Grid.Cpu;
using Grid.Models;
using Xunit.Sdk;
using Xunit.v3;

[assembly: AssemblyFixture(typeof(Grid.Determinism.Tests.Harness.DemoModelFixture))]

// The model's working memory belongs to one step at a time, and each step uses all cores.
[assembly: Parallelization(Mode = ParallelMode.None)]

namespace Grid.Determinism.Tests.Harness;

/// <summary>The demo model on this machine's CPU, in the fastest form it has.</summary>
public sealed class DemoModelFixture : IDisposable
{
    /// <summary>Rows that the model takes in one pass.</summary>
    public const int MaxRows = 1200;

    private readonly CpuOperations _operations;
    private readonly LoadedModel _loaded;

    public DemoModelFixture()
        : this(new CpuOptions())
    {
    }

    private DemoModelFixture(CpuOptions options)
    {
        _operations = new CpuOperations(options);
        _loaded = ModelLoader.Load(DemoModel.Path, _operations, new ModelLoadOptions { MaxBatchTokens = MaxRows });
    }

    /// <summary>The same model in a chosen form.</summary>
    public static DemoModelFixture InForm(CpuOptions options) => new(options);

    /// <summary>An engine with an empty cache.</summary>
    internal EngineRun NewEngine(int pages = 64, int chunk = 256, int batch = 512, int running = 160, int logitRows = 128) => new(
        _loaded.Model, _operations,
        new()
        {
            KvPages = pages,
            PrefillChunkTokens = chunk,
            MaxBatchTokens = batch,
            MaxRunningSequences = running,
            MaxLogitRows = logitRows,
        });

    /// <summary>What the request gives when nothing else ever ran.</summary>
    internal SequenceResult Alone(Engine.SequenceRequest request)
    {
        EngineRun engine = NewEngine(pages: 40);
        SequenceResult result = engine.Submit(request);
        engine.RunToEnd();
        return result;
    }

    public void Dispose()
    {
        _loaded.Dispose();
        _operations.Dispose();
    }
}
