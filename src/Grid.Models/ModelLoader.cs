using Grid.Models.Architectures;
using Grid.Models.Checkpoints;
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
        using IWeightSource source = options.LoadFormat == LoadFormat.Dummy ? new DummyWeightSource() : Checkpoint.Open(folder);
        using var weights = new WeightLoader(source, operations, progress);
        var model = SupportedArchitectures.Load(config, weights, operations, options.MaxBatchTokens);
        weights.HandOver();
        try
        {
            return new LoadedModel(model, new NumericsId(NumericContract.Version, weights.Finish(config)));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
