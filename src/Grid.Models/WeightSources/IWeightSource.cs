using Grid.Models.Operations;

namespace Grid.Models.WeightSources;

/// <summary>Where a model's weights come from, by name and shape: a checkpoint's files or a generator.</summary>
internal interface IWeightSource : IDisposable
{
    /// <summary>What errors name: the file that lists the tensors, or the generator.</summary>
    string Path { get; }

    /// <summary>The names there are; null when any name is.</summary>
    IReadOnlyCollection<string>? Names { get; }

    /// <summary>Bytes of all tensors; 0 when not known in advance.</summary>
    long TotalBytes { get; }

    /// <summary>The tensor of a name, whose shape must be the one given. Throws <see cref="ModelFormatException"/>.</summary>
    IWeight Find(string name, params ReadOnlySpan<int> shape);

    /// <summary>The tensor of a name; null when there is none.</summary>
    IWeight? FindOptional(string name);
}

/// <summary>One tensor of a source.</summary>
internal interface IWeight
{
    /// <summary>What a device reads.</summary>
    TensorSource Tensor { get; }

    /// <summary>Bytes it takes where it comes from.</summary>
    long Bytes { get; }

    /// <summary>Reads the tensor once from start to end, refuses NaN and infinities, and returns what stands for its values
    /// in the model's manifest.</summary>
    string Identify(CancellationToken cancellationToken);

    /// <summary>Says that nothing reads the tensor any more, so that it need not stay in memory.</summary>
    void Release();
}
