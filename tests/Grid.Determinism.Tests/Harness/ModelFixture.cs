using Grid.Cpu;
using Grid.Models;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;
using Grid.Numerics;

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
        using var engine = NewEngine(pages: 40);
        var result = engine.Submit(request);
        engine.RunToEnd();
        return result;
    }

    /// <summary>[Vocabulary] every token's embedding, by a pass over all of them.</summary>
    internal float[][] Embeddings()
    {
        var model = (DecoderModel)_loaded.Model;
        int pages = (Vocabulary + AttentionLayout.BlockTokens - 1) / AttentionLayout.BlockTokens;
        var batch = new BatchLayout(Vocabulary, 1) { RowCount = Vocabulary, SequenceCount = 1 };
        for (int token = 0; token < Vocabulary; token++)
        {
            (batch.TokenIds[token], batch.Positions[token]) = (token, token);
        }

        batch.Sequences[0] = new SequenceSlice(0, Vocabulary, [.. Enumerable.Range(0, pages)]);
        ushort[] bits = new ushort[Vocabulary * model.Config.HiddenSize];
        model.HiddenStateObserver = (index, state) =>
        {
            if (index == 0)
            {
                _operations.Read(state, Vocabulary, bits);
            }
        };
        model.Forward(batch, model.AllocateKvCache(pages));
        model.HiddenStateObserver = null;
        return [.. Array.ConvertAll(bits, Bf16.ToSingle).Chunk(model.Config.HiddenSize)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loaded.Dispose();
        _operations.Dispose();
        GC.SuppressFinalize(this);
    }
}
