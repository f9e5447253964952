using System.Globalization;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Models.WeightSources;

/// <summary>Every tensor an architecture asks for, generated (--load-format dummy).</summary>
/// <param name="seed">Which of them.</param>
internal sealed class DummyWeightSource(ulong seed = 0) : IWeightSource
{
    // Nothing is hashed: name, shape, seed and the generator's version say what the values are.
    private readonly string _identity = seed == 0
        ? string.Create(CultureInfo.InvariantCulture, $"dummy-{DummyWeights.Version}")
        : string.Create(CultureInfo.InvariantCulture, $"dummy-{DummyWeights.Version}-{seed}");

    /// <inheritdoc/>
    public string Path => "the dummy weights";

    /// <inheritdoc/>
    public IReadOnlyCollection<string>? Names => null;

    /// <inheritdoc/>
    public long TotalBytes => 0;

    /// <inheritdoc/>
    public IWeight Find(string name, params ReadOnlySpan<int> shape) => new DummyWeight(new GeneratedTensor(name, shape.ToArray(), seed), _identity);

    /// <inheritdoc/>
    public IWeight? FindOptional(string name) => null;

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class DummyWeight(GeneratedTensor tensor, string identity) : IWeight
    {
        public TensorSource Tensor => tensor;

        public long Bytes { get; } = tensor.Shape.Aggregate((long)sizeof(ushort), (bytes, dimension) => bytes * dimension);

        public string Identify(CancellationToken cancellationToken) => identity;

        public void Release()
        {
        }
    }
}
