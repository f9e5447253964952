using System.Diagnostics;
using System.Globalization;
using Grid.Engine;
using Grid.Grains.Messages;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Models.SelfTest;
using Grid.Numerics;
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
internal sealed record ModelToServe(string Folder, string Name, ModelConfig Config, TextFiles Texts, SamplingDefaults Sampling);

/// <summary>A model on a device with its engine, ready to be served.</summary>
internal sealed record ServedDevice(WorkerModel Description, IWorkerEngine Engine, IDisposable Owner) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Owner.Dispose();
}

/// <summary>Brings one model onto one device: opened and tested first, loaded then. Says what it does, a line each.</summary>
internal sealed class DeviceLoader : IDisposable
{
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
        IOperations operations = device.Open(output);
        try
        {
            output.WriteLine($"Device  {(device.Name == "cpu" ? "" : $"{device.Name}: ")}{operations.DeviceDescription}");
            DeviceSelfTest.Run(operations);
            output.WriteLine($"        self-test passed: {DeviceSelfTest.KnownAnswers.Count} operations give the known answers of contract {NumericContract.Version}");
            return new DeviceLoader(device, operations, options, output);
        }
        catch
        {
            operations.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a model that has no room. Throws <see cref="StartException"/>.</summary>
    public void RequireRoom(ModelConfig config) => _device.RequireRoom(Measure(config));

    /// <summary>Loads the model and makes its engine; the result owns the device.</summary>
    public ServedDevice Load(ModelToServe source)
    {
        var clock = Stopwatch.StartNew();
        var memory = Measure(source.Config);
        LoadedModel? loaded = null;
        try
        {
            var progress = new LoadProgress(_output, $"Loading weights{Onto}", memory.WeightBytes);
            using (progress)
            {
                loaded = ModelLoader.Load(
                    source.Folder, _operations,
                    new ModelLoadOptions { LoadFormat = _options.LoadFormat, MaxBatchTokens = _device.Limits.MaxBatchTokens }, progress);
            }

            Describe(source.Name, loaded, progress.Latest, clock.Elapsed);
            var served = Serve(source, loaded, memory);
            _handedOver = true;
            return served;
        }
        catch
        {
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

    private ModelMemory Measure(ModelConfig config) => ModelMemory.Measure(config, _device.Limits.MaxBatchTokens);

    private void Describe(string name, LoadedModel loaded, ModelLoadProgress progress, TimeSpan elapsed)
    {
        string kind = _options.LoadFormat == LoadFormat.Dummy ? "dummy weights, " : "";
        _output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Model   {name}{Onto}: {loaded.Model.Config.Architecture}, {kind}{progress.Tensors} tensors, {ByteSize.Format(progress.Bytes)}, loaded in {elapsed.TotalSeconds:0.0} s"));
    }

    private ServedDevice Serve(ModelToServe source, LoadedModel loaded, ModelMemory memory)
    {
        var model = loaded.Model;
        int pages = (int)Math.Min(_device.KvCacheBytes(memory with { KvPageBytes = model.KvPageBytes }) / model.KvPageBytes, int.MaxValue / AttentionLayout.BlockTokens);
        long tokens = (long)pages * AttentionLayout.BlockTokens;
        var engine = new InferenceEngine(model, _operations, new EngineOptions
        {
            MaxBatchTokens = _device.Limits.MaxBatchTokens,
            PrefillChunkTokens = _device.Limits.ChunkedPrefillSize,
            MaxRunningSequences = _device.Limits.MaxRunningRequests,
            MaxWaitingSequences = _options.MaxQueuedRequests,
            MaxLogitRows = _device.MaxLogitRows,
            KvPages = pages,
        });
        _output.WriteLine($"Cache   {ByteSize.Format(pages * model.KvPageBytes)} for {tokens} tokens{(Onto.Length > 0 ? $" on {_device.Name}" : "")}");
        var limits = new WorkerLimits
        {
            MaxContextTokens = (int)Math.Min(model.Config.MaxPositions, tokens),
            MaxRunningSequences = _device.Limits.MaxRunningRequests,
            MaxWaitingSequences = _options.MaxQueuedRequests,
            KvCacheTokens = tokens,
            VocabularySize = model.Config.VocabularySize,
        };
        var description = new WorkerModel(
            _device.Name, _operations.DeviceDescription, source.Name, loaded.NumericsId.ToString(), source.Texts, limits)
        { Sampling = source.Sampling };
        return new ServedDevice(description, new InferenceEngineAdapter(engine), new Owned(loaded, _operations));
    }

    /// <summary>Frees the weights, then the device.</summary>
    private sealed class Owned(LoadedModel model, IOperations operations) : IDisposable
    {
        public void Dispose()
        {
            model.Dispose();
            operations.Dispose();
        }
    }

    /// <summary>Shows a load's progress, on the loading thread (<see cref="Progress{T}"/> would post to another), and keeps
    /// the last of it.</summary>
    private sealed class LoadProgress(TextWriter output, string title, long expectedBytes) : IProgress<ModelLoadProgress>, IDisposable
    {
        private ProgressDisplay? _display;

        public ModelLoadProgress Latest { get; private set; }

        public void Report(ModelLoadProgress value)
        {
            Latest = value;
            _display ??= ProgressDisplay.On(output, title);

            // Dummy weights do not know how many they will be.
            _display.Report(value.Bytes, value.TotalBytes > 0 ? value.TotalBytes : Math.Max(value.Bytes, expectedBytes));
        }

        public void Dispose() => _display?.Dispose();
    }
}
