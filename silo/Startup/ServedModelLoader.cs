using System.Diagnostics;
using Grid.Cpu;
using Grid.Engine;
using Grid.Grains.Messages;
using Grid.Models;
using Grid.Models.SelfTest;
using Grid.Numerics;
using Grid.Silo.Options;
using Grid.Text;
using Grid.Workers;

namespace Grid.Silo.Startup;

/// <summary>A model on a device with its engine, ready to be served.</summary>
internal sealed record ServedModelOnDevice(WorkerModel Description, IWorkerEngine Engine, IDisposable Owner);

/// <summary>Loads what a node serves: device, text files, weights, engine. Says what it does, a line each.</summary>
internal static class ServedModelLoader
{
    /// <summary>Throws <see cref="StartException"/> when the folder cannot be served.</summary>
    public static ServedModelOnDevice Load(NodeOptions options, TextWriter output)
    {
        string path = options.ModelPath ?? DemoModel.Path;
        try
        {
            return Load(options, path, output);
        }
        catch (Exception exception) when (exception is DeviceSelfTestException or ModelFormatException or TextModelException or IOException or UnauthorizedAccessException)
        {
            throw new StartException($"The model cannot be served. {exception.Message}");
        }
    }

    private static ServedModelOnDevice Load(NodeOptions options, string path, TextWriter output)
    {
        var clock = Stopwatch.StartNew();
        var folder = ModelFolder.Open(path);
        string name = options.ServedModelName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        var texts = folder.ReadTextFiles();
        TextModel.Load(texts); // Gateways will read them; a fault should show here and now.

        var operations = new CpuOperations(new CpuOptions { Threads = options.CpuThreads });
        LoadedModel? loaded = null;
        try
        {
            output.WriteLine($"Device  {operations.DeviceDescription}");
            DeviceSelfTest.Run(operations);
            output.WriteLine($"        self-test passed: {DeviceSelfTest.KnownAnswers.Count} operations give the known answers of contract {NumericContract.Version}");
            ModelLoadProgress progress = default;
            loaded = ModelLoader.Load(
                path, operations, new ModelLoadOptions { MaxBatchTokens = options.MaxBatchTokens },
                new Latest(value => progress = value));
            output.WriteLine($"Model   {name}: {loaded.Model.Config.Architecture}, {progress.TotalTensors} tensors, {ByteSize.Format(progress.TotalBytes)}, loaded in {clock.Elapsed.TotalSeconds:0.0} s");
            return Serve(options, name, texts, operations, loaded, output);
        }
        catch
        {
            loaded?.Dispose();
            operations.Dispose();
            throw;
        }
    }

    private static ServedModelOnDevice Serve(
        NodeOptions options, string name, IReadOnlyDictionary<string, byte[]> texts, CpuOperations operations,
        LoadedModel loaded, TextWriter output)
    {
        var model = loaded.Model;
        int pages = KvPages(options, model);
        long tokens = (long)pages * AttentionLayout.BlockTokens;
        output.WriteLine($"Cache   {ByteSize.Format(pages * model.KvPageBytes)} for {tokens} tokens");
        var engine = new InferenceEngine(model, operations, new EngineOptions
        {
            MaxBatchTokens = options.MaxBatchTokens,
            PrefillChunkTokens = options.ChunkedPrefillSize,
            MaxRunningSequences = options.MaxRunningRequests,
            MaxWaitingSequences = options.MaxQueuedRequests,
            KvPages = pages,
        });
        var limits = new WorkerLimits
        {
            MaxContextTokens = (int)Math.Min(model.Config.MaxPositions, tokens),
            MaxRunningSequences = options.MaxRunningRequests,
            MaxWaitingSequences = options.MaxQueuedRequests,
            KvCacheTokens = tokens,
            VocabularySize = model.Config.VocabularySize,
        };
        var description = new WorkerModel(
            "cpu", operations.DeviceDescription, name, loaded.NumericsId.ToString(), WorkerModel.PackTextFiles(texts), limits);
        return new ServedModelOnDevice(description, new InferenceEngineAdapter(engine), new Owner(loaded, operations));
    }

    private static int KvPages(NodeOptions options, ICausalLanguageModel model)
    {
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        long budget = options.KvCacheMemory ?? Math.Min(available / 4, 1L << 30);
        long pages = budget / model.KvPageBytes;
        if (pages < 1 || pages > int.MaxValue || budget > available)
        {
            throw new StartException(
                $"--kv-cache-memory is {ByteSize.Format(budget)}; it must hold at least one page ({ByteSize.Format(model.KvPageBytes)}) and fit in this machine's memory ({ByteSize.Format(available)}).");
        }

        return (int)pages;
    }

    /// <summary>Frees the weights, then the device.</summary>
    private sealed class Owner(LoadedModel model, CpuOperations operations) : IDisposable
    {
        public void Dispose()
        {
            model.Dispose();
            operations.Dispose();
        }
    }

    /// <summary>Reports on the loading thread (<see cref="Progress{T}"/> would post to another).</summary>
    private sealed class Latest(Action<ModelLoadProgress> take) : IProgress<ModelLoadProgress>
    {
        public void Report(ModelLoadProgress value) => take(value);
    }
}
