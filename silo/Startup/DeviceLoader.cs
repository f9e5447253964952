using System.Diagnostics;
using System.Globalization;
using Grid.Engine;
using Grid.Grains.Messages;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Models.SelfTest;
using Grid.Numerics;
using Grid.Options;
using Grid.Silo.Devices;
using Grid.Silo.Options;
using Grid.Workers;

namespace Grid.Silo.Startup;

/// <summary>What every device of a node serves.</summary>
/// <param name="Folder">The model's folder.</param>
/// <param name="Name">The name clients use.</param>
/// <param name="Config">The model's configuration.</param>
/// <param name="Texts">Its text files, packed once for all devices.</param>
/// <param name="Sampling">How requests are sampled that do not say.</param>
internal sealed record ModelToServe(string Folder, string Name, ModelConfig Config, TextFiles Texts, SamplingParameters Sampling)
{
    /// <summary>Which place names which tokens that end an answer.</summary>
    public IReadOnlyList<EndTokens> EndTokens { get; init; } = [];
}

/// <summary>A model on a device with its engine, ready to be served.</summary>
internal sealed record ServedDevice(WorkerModel Description, IInferenceEngine Engine, IDisposable Owner) : IDisposable
{
    /// <summary>Reads other weights for the model. Throws <see cref="RefusedException"/>.</summary>
    public required Func<WeightsRequest, INewWeights> ReadWeights { get; init; }

    /// <inheritdoc/>
    public void Dispose() => Owner.Dispose();
}

/// <summary>Brings one model onto one device: opened and tested first, loaded then. Says what it does, a line each.</summary>
internal sealed class DeviceLoader : IDisposable
{
    /// <summary>Prompt tokens of the first round, which must not take long on a slow device; each further one has twice as many, up to
    /// a full batch.</summary>
    private const int FirstWarmUpTokens = 16;

    /// <summary>No round begins after this. Code that has run often is compiled anew in the background about 0.1 s later.</summary>
    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(500);

    private readonly NodeDevice _device;
    private readonly IOperations _operations;
    private readonly NodeOptions _options;
    private readonly TextWriter _output;
    private bool _handedOver;

    private DeviceLoader(NodeDevice device, IOperations operations, NodeOptions options, TextWriter output)
    {
        _device = device;
        _operations = operations;
        _options = options;
        _output = output;
    }

    /// <summary>The device.</summary>
    public NodeDevice Device => _device;

    /// <summary>Names the device where there may be several.</summary>
    private string Onto => _device.Name == "cpu" ? "" : $" onto {_device.Name}";

    /// <summary>Takes the device and runs its self-test. Throws <see cref="DeviceException"/> or
    /// <see cref="DeviceSelfTestException"/> when it must not serve.</summary>
    public static DeviceLoader Open(NodeDevice device, NodeOptions options, TextWriter output)
    {
        var operations = device.Open(output);
        try
        {
            string description = operations.DeviceDescription;
            output.WriteLine($"Device  {(device.Name == "cpu" || description.Contains(device.Name, StringComparison.Ordinal) ? "" : $"{device.Name}: ")}{description}");
            DeviceSelfTest.Run(operations);
            output.WriteLine($"        self-test passed: {DeviceSelfTest.KnownAnswers.Count} operations give the known answers of contract {NumericContract.Version}");
            return new DeviceLoader(device, operations, options, output);
        }
        catch (Exception exception) when (device.Explain(exception) is not null)
        {
            // After a fault even freeing may fail: what the device holds goes with the process.
            throw new DeviceException(device.Explain(exception)!, exception);
        }
        catch
        {
            operations.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a model that the device cannot run, or that has no room. Throws <see cref="StartException"/>.</summary>
    public void RequireRoom(ModelConfig config) => _device.RequireRoom(Measure(config));

    /// <summary>Loads the model and makes its engine; the result owns the device.</summary>
    /// <param name="source">The model.</param>
    /// <param name="cancellationToken">Gives up between two tensors, or rounds of the warm-up.</param>
    public ServedDevice Load(ModelToServe source, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var clock = Stopwatch.StartNew();
        var memory = Measure(source.Config);
        LoadedModel? loaded = null;
        InferenceEngine? engine = null;
        try
        {
            var progress = new LoadProgress(_output, $"Loading weights{Onto}", memory.WeightBytes, cancellationToken);
            using (progress)
            {
                loaded = ModelLoader.Load(
                    source.Folder, _operations,
                    new ModelLoadOptions
                    {
                        LoadFormat = _options.LoadFormat,
                        DummySeed = (ulong)_options.DummySeed,
                        MaxBatchTokens = _device.Limits.MaxBatchTokens,
                        EndTokenIds = [.. source.EndTokens.SelectMany(place => place.Ids)],
                    }, progress);
            }

            Describe(source.Name, loaded, progress.Latest, clock.Elapsed);
            int pages = KvPages(loaded, memory);
            engine = new InferenceEngine(loaded.Model, _operations, EngineOptions(pages));
            _output.WriteLine($"Cache   {ByteSize.Format(pages * loaded.Model.KvPageBytes)} for {(long)pages * AttentionLayout.BlockTokens} tokens{(Onto.Length > 0 ? $" on {_device.Name}" : "")}");
            if (!_options.SkipServerWarmup)
            {
                SayCut(loaded.Model.Config.MaxPositions, (long)pages * AttentionLayout.BlockTokens, loaded.Model.KvPageBytes);
                WarmUp(engine, cancellationToken);
            }

            var served = new ServedDevice(
                Worker(source, loaded, pages), engine, new Owned(engine, loaded, _operations))
            { ReadWeights = new WeightsFolder(source.Folder, loaded, _operations).Read };
            _handedOver = true;
            return served;
        }
        catch (Exception exception) when (_device.Explain(exception) is not null)
        {
            _handedOver = true; // To the process's end.
            throw new StartException($"The model cannot be loaded onto {_device.Name}. {_device.Explain(exception)}");
        }
        catch
        {
            engine?.Dispose();
            loaded?.Dispose();
            throw;
        }
    }

    /// <summary>Gives the device back unless a model was loaded, which owns it then.</summary>
    public void Dispose()
    {
        if (!_handedOver)
        {
            _handedOver = true;
            _operations.Dispose();
        }
    }

    /// <summary>Says where memory makes the context smaller than it was asked to be.</summary>
    private void SayCut(int maxPositions, long tokens, long pageBytes)
    {
        int wanted = _options.ContextLength ?? maxPositions;
        if (tokens < wanted)
        {
            long whole = (wanted + AttentionLayout.BlockTokens - 1L) / AttentionLayout.BlockTokens * pageBytes;
            _output.WriteLine($"        the context is {tokens} tokens and not {wanted}, for which the KV cache would need {ByteSize.Format(whole)} (--kv-cache-memory)");
        }
    }

    private ModelMemory Measure(ModelConfig config) => ModelMemory.Measure(config, _device.Limits.MaxBatchTokens, _device.ExpertOutputBytesLimit);

    private void Describe(string name, LoadedModel loaded, ModelLoadProgress progress, TimeSpan elapsed)
    {
        string kind = _options.LoadFormat == LoadFormat.Dummy ? "dummy weights, " : "";
        _output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Model   {name}{Onto}: {loaded.Model.Config.Architecture}, {kind}{progress.Tensors} tensors, {ByteSize.Format(progress.Bytes)}, loaded in {elapsed.TotalSeconds:0.0} s"));
    }

    private int KvPages(LoadedModel loaded, ModelMemory memory)
    {
        long page = loaded.Model.KvPageBytes;
        return (int)Math.Min(_device.KvCacheBytes(memory with { KvPageBytes = page }) / page, int.MaxValue / AttentionLayout.BlockTokens);
    }

    /// <summary>A worker is announced when it is at speed: where one has died, all of its sequences come to the next one at once.</summary>
    private void WarmUp(InferenceEngine engine, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        int rounds = 0;
        for (int tokens = FirstWarmUpTokens; clock.Elapsed < s_warmUp; tokens = Math.Min(2 * tokens, _device.Limits.MaxBatchTokens))
        {
            cancellationToken.ThrowIfCancellationRequested();
            engine.WarmUp(tokens);
            rounds++;
        }

        _output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Warm-up {rounds} rounds{(Onto.Length > 0 ? $" on {_device.Name}" : "")}, {clock.Elapsed.TotalSeconds:0.0} s"));
    }

    private EngineOptions EngineOptions(int pages) => new()
    {
        MaxBatchTokens = _device.Limits.MaxBatchTokens,
        PrefillChunkTokens = _device.Limits.ChunkedPrefillSize,
        MaxRunningSequences = _device.Limits.MaxRunningRequests,
        MaxWaitingSequences = _options.MaxQueuedRequests,
        MaxLogitRows = _device.MaxLogitRows,
        PrefixCaching = !_options.DisableRadixCache,
        KvPages = pages,
    };

    private WorkerModel Worker(ModelToServe source, LoadedModel loaded, int pages)
    {
        var config = loaded.Model.Config;
        long tokens = (long)pages * AttentionLayout.BlockTokens;
        var limits = new WorkerLimits
        {
            MaxContextTokens = (int)Math.Min(_options.ContextLength ?? config.MaxPositions, tokens),
            MaxRunningSequences = _device.Limits.MaxRunningRequests,
            MaxWaitingSequences = _options.MaxQueuedRequests,
            KvCacheTokens = tokens,
            VocabularySize = config.VocabularySize,
            MaxModelTokens = config.MaxPositions,
        };
        return new WorkerModel(
            _device.Name, _operations.DeviceDescription, source.Name, loaded.NumericsId.ToString(), source.Texts, limits)
        { Sampling = source.Sampling };
    }

    /// <summary>Frees the KV cache, the weights, then the device.</summary>
    private sealed class Owned(InferenceEngine engine, LoadedModel model, IOperations operations) : IDisposable
    {
        public void Dispose()
        {
            engine.Dispose();
            model.Dispose();
            operations.Dispose();
        }
    }

    /// <summary>Shows a load's progress, on the loading thread (<see cref="Progress{T}"/> would post to another), and keeps
    /// the last of it.</summary>
    private sealed class LoadProgress(TextWriter output, string title, long expectedBytes, CancellationToken cancellationToken) : IProgress<ModelLoadProgress>, IDisposable
    {
        private ProgressDisplay? _display;

        public ModelLoadProgress Latest { get; private set; }

        public void Report(ModelLoadProgress value)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Latest = value;
            _display ??= ProgressDisplay.On(output, title);

            // Dummy weights do not know how many they will be.
            _display.Report(value.Bytes, value.TotalBytes > 0 ? value.TotalBytes : Math.Max(value.Bytes, expectedBytes));
        }

        public void Dispose() => _display?.Dispose();
    }
}
