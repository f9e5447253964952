using Grid.Models.Architectures;
using Grid.Models.Checkpoints;
using Grid.Models.Configuration;
using Grid.Models.Identity;
using Grid.Models.Operations;
using Grid.Models.WeightSources;
using Grid.Numerics;

namespace Grid.Models;

/// <summary>Where the weights come from.</summary>
public enum LoadFormat
{
    /// <summary>The folder's safetensors files.</summary>
    Safetensors,

    /// <summary>Generated from the configuration alone (<see cref="DummyWeights"/>): for benchmarks.</summary>
    Dummy,
}

/// <summary>How to load a model.</summary>
public sealed record ModelLoadOptions
{
    /// <summary>Where the weights come from.</summary>
    public LoadFormat LoadFormat { get; init; }

    /// <summary>Rows (tokens) in one forward pass at most; working memory is allocated for them.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Ids that end an answer besides those that the configuration files name (the tokenizer's, the chat template's). As
    /// they decide where answers end, they are part of the model's digest.</summary>
    public IReadOnlyList<int> EndTokenIds { get; init; } = [];

    /// <summary>Which of the generated weights there are, with <see cref="LoadFormat.Dummy"/>.</summary>
    public ulong DummySeed { get; init; }
}

/// <summary>How far a load has come.</summary>
/// <param name="Tensors">Tensors loaded.</param>
/// <param name="TotalTensors">Tensors in the checkpoint; 0 when not known in advance (dummy weights).</param>
/// <param name="Bytes">Bytes of the tensors loaded, as they are stored.</param>
/// <param name="TotalBytes">Bytes of all tensors; 0 when not known in advance.</param>
public readonly record struct ModelLoadProgress(int Tensors, int TotalTensors, long Bytes, long TotalBytes);

/// <summary>A model ready to run, and the name of its bits.</summary>
public sealed record LoadedModel(ICausalLanguageModel Model, NumericsId NumericsId) : IDisposable
{
    /// <summary>Its weights on the device, in the order in which an architecture asks for them.</summary>
    internal IReadOnlyList<object> Handles { get; init; } = [];

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}

/// <summary>Turns a model folder into a model on a device.</summary>
public static class ModelLoader
{
    /// <summary>
    /// Reads config.json, picks the architecture, uploads the weights. A load that fails leaves nothing behind. Throws <see cref="ModelFormatException"/>, naming
    /// file, field, value and rule, when the folder cannot be served with right results.
    /// </summary>
    public static LoadedModel Load(
        string path, IOperations operations, ModelLoadOptions options, IProgress<ModelLoadProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(operations);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxBatchTokens, 1, "MaxBatchTokens");
        var folder = ModelFolder.Open(path);
        var config = folder.ReadConfig(out var endTokens);
        config = config with { EndTokenIds = EndTokens.Union([.. endTokens, new EndTokens("", options.EndTokenIds)], config.VocabularySize) };
        using var source = OpenSource(folder, options);
        using var weights = new WeightLoader(source, operations, progress);
        var model = SupportedArchitectures.Load(config, weights, operations, options.MaxBatchTokens);
        weights.HandOver();
        try
        {
            return new LoadedModel(model, new NumericsId(NumericContract.Version, weights.Finish(config))) { Handles = [.. weights.Loaded.Select(one => one.Handle)] };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads and checks other weights for a loaded model, as <see cref="Load"/> does, and touches neither the model nor the device. Only
    /// weights are taken: the folder's configuration must be the model's, but for the tokens that end an answer, which stay. Throws
    /// <see cref="ModelFormatException"/>, naming file, field, value and rule.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="model">The model, which was loaded by <see cref="Load"/>.</param>
    /// <param name="operations">Those that it was loaded with.</param>
    /// <param name="options">Where the weights come from.</param>
    public static PreparedWeights Prepare(string path, LoadedModel model, IOperations operations, ModelLoadOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(operations);
        ArgumentNullException.ThrowIfNull(options);
        var folder = ModelFolder.Open(path);
        var config = folder.ReadConfig() with { EndTokenIds = model.Model.Config.EndTokenIds };
        if (ModelDigest.FindDifference(model.Model.Config, config) is var (field, own, other))
        {
            throw new ModelFormatException(
                folder.FilePath(ModelConfigReader.ConfigFile), field, other, $"the model that runs has {own}, and only weights can be replaced");
        }

        var source = OpenSource(folder, options);
        var measure = new MeasuringOperations(long.MaxValue);
        WeightLoader? weights = null;
        try
        {
            weights = new WeightLoader(source, measure, progress: null);
            using (SupportedArchitectures.Load(config, weights, measure, maxRows: 1))
            {
                weights.HandOver();
            }

            return new PreparedWeights(source, weights, model.Handles, operations, new NumericsId(NumericContract.Version, weights.Finish(config)));
        }
        catch
        {
            weights?.Dispose();
            source.Dispose();
            throw;
        }
    }

    private static IWeightSource OpenSource(ModelFolder folder, ModelLoadOptions options) =>
        options.LoadFormat == LoadFormat.Dummy ? new DummyWeightSource(options.DummySeed) : Checkpoint.Open(folder);
}
