using System.Diagnostics;
using System.Globalization;
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
    /// <summary>Finds and loads the model. Throws <see cref="StartException"/> when it cannot be served.</summary>
    public static async Task<ServedModelOnDevice> LoadAsync(NodeOptions options, TextWriter output, CancellationToken cancellationToken)
    {
        try
        {
            ModelSource source = await ModelSource.FindAsync(options, folder => CheckSmallFiles(options, folder), output, cancellationToken);
            return Load(options, source, output);
        }
        catch (Exception exception) when (exception is DeviceSelfTestException or ModelFormatException or TextModelException or IOException or UnauthorizedAccessException)
        {
            throw new StartException($"The model cannot be served. {exception.Message}");
        }
    }

    /// <summary>What a model of the hub must pass before its weights are downloaded.</summary>
    private static void CheckSmallFiles(NodeOptions options, string path)
    {
        var folder = ModelFolder.Open(path);
        folder.ReadConfig();
        ReadSampling(options, folder);
        ReadTexts(options, folder);
    }

    private static ServedModelOnDevice Load(NodeOptions options, ModelSource source, TextWriter output)
    {
        var clock = Stopwatch.StartNew();
        var folder = ModelFolder.Open(source.Folder);
        string name = options.ServedModelName ?? source.Name;
        var sampling = ReadSampling(options, folder);
        var texts = ReadTexts(options, folder);

        var operations = new CpuOperations(new CpuOptions { Threads = options.CpuThreads });
        LoadedModel? loaded = null;
        try
        {
            output.WriteLine($"Device  {operations.DeviceDescription}");
            DeviceSelfTest.Run(operations);
            output.WriteLine($"        self-test passed: {DeviceSelfTest.KnownAnswers.Count} operations give the known answers of contract {NumericContract.Version}");
            var progress = new LoadProgress(output);
            using (progress)
            {
                loaded = ModelLoader.Load(
                    source.Folder, operations,
                    new ModelLoadOptions { LoadFormat = options.LoadFormat, MaxBatchTokens = options.MaxBatchTokens }, progress);
            }

            Describe(output, name, loaded, options, progress.Latest, clock.Elapsed);
            DescribeSampling(output, sampling);
            if (texts.Count == 0)
            {
                output.WriteLine("Text    no tokenizer: /generate takes and gives token ids, and nothing else is served");
            }

            return Serve(options, name, texts, sampling, operations, loaded, output);
        }
        catch
        {
            loaded?.Dispose();
            operations.Dispose();
            throw;
        }
    }

    private static SamplingDefaults ReadSampling(NodeOptions options, ModelFolder folder)
    {
        var defaults = new SamplingDefaults();
        if (!options.UseModelSampling)
        {
            return defaults;
        }

        var recommended = folder.ReadRecommendedSampling();
        return new SamplingDefaults
        {
            Temperature = recommended.Temperature ?? defaults.Temperature,
            TopP = recommended.TopP ?? defaults.TopP,
            TopK = recommended.TopK ?? defaults.TopK,
            MinP = recommended.MinP ?? defaults.MinP,
            RepetitionPenalty = recommended.RepetitionPenalty ?? defaults.RepetitionPenalty,
        };
    }

    private static void DescribeSampling(TextWriter output, SamplingDefaults sampling)
    {
        if (sampling != new SamplingDefaults())
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"        sampled with temperature {sampling.Temperature}, top_p {sampling.TopP}, top_k {(sampling.TopK == 0 ? "off" : sampling.TopK)}, min_p {sampling.MinP}, repetition_penalty {sampling.RepetitionPenalty} where a request does not say"));
        }
    }

    private static IReadOnlyDictionary<string, byte[]> ReadTexts(NodeOptions options, ModelFolder folder)
    {
        var files = folder.ReadTextFiles();
        bool hasTokenizer = files.ContainsKey(ModelFolder.TokenizerFile);
        if (options.SkipTokenizerInit || (options.LoadFormat == LoadFormat.Dummy && !hasTokenizer))
        {
            return new Dictionary<string, byte[]>();
        }

        if (!hasTokenizer)
        {
            throw new StartException(
                $"The model cannot be served. {folder.Path} has no {ModelFolder.TokenizerFile}; --skip-tokenizer-init serves a model without one, by token ids alone.");
        }

        TextModel.Load(files); // Gateways will read them; a fault should show here and now.
        return files;
    }

    private static void Describe(
        TextWriter output, string name, LoadedModel loaded, NodeOptions options, ModelLoadProgress progress, TimeSpan elapsed)
    {
        string kind = options.LoadFormat == LoadFormat.Dummy ? "dummy weights, " : "";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Model   {name}: {loaded.Model.Config.Architecture}, {kind}{progress.Tensors} tensors, {ByteSize.Format(progress.Bytes)}, loaded in {elapsed.TotalSeconds:0.0} s"));
    }

    private static ServedModelOnDevice Serve(
        NodeOptions options, string name, IReadOnlyDictionary<string, byte[]> texts, SamplingDefaults sampling,
        CpuOperations operations, LoadedModel loaded, TextWriter output)
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
            "cpu", operations.DeviceDescription, name, loaded.NumericsId.ToString(), WorkerModel.PackTextFiles(texts), limits)
        { Sampling = sampling };
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

    /// <summary>Shows a load's progress, on the loading thread (<see cref="Progress{T}"/> would post to another), and keeps
    /// the last of it.</summary>
    private sealed class LoadProgress(TextWriter output) : IProgress<ModelLoadProgress>, IDisposable
    {
        private ProgressDisplay? _display;

        public ModelLoadProgress Latest { get; private set; }

        public void Report(ModelLoadProgress value)
        {
            Latest = value;
            _display ??= ProgressDisplay.On(output, "Loading weights");
            _display.Report(value.Bytes, value.TotalBytes);
        }

        public void Dispose() => _display?.Dispose();
    }
}
