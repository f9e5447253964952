using Grid.Cpu;
using Grid.Models;

namespace Grid.Determinism.Tests.Harness;

/// <summary>A model folder on this machine's CPU, and engines that run it.</summary>
public class ModelFixture : IDisposable
{
    private readonly CpuOperations _operations;
    private readonly LoadedModel _loaded;

    /// <summary>Loads a model in a chosen form, for passes of so many rows.</summary>
    public ModelFixture(string path, CpuOptions options, int maxRows)
    {
        _operations = new CpuOperations(options);
        _loaded = ModelLoader.Load(path, _operations, new ModelLoadOptions { MaxBatchTokens = maxRows });
    }

    /// <summary>One of the small random checkpoints that tests/Grid.Models.Tests/Reference holds.</summary>
    public static ModelFixture OfCheckpoint(string name, CpuOptions? options = null) =>
        new(Path.Combine(AppContext.BaseDirectory, "Reference", name), options ?? new CpuOptions(), maxRows: 512);

    /// <summary>Tokens that a prompt may be made of.</summary>
    public int Vocabulary => _loaded.Model.Config.VocabularySize;

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

    /// <inheritdoc/>
    public void Dispose()
    {
        _loaded.Dispose();
        _operations.Dispose();
        GC.SuppressFinalize(this);
    }
}
