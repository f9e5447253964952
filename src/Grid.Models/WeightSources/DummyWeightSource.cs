using System.Globalization;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Models.WeightSources;

/// <summary>Every tensor an architecture asks for, generated (--load-format dummy).</summary>
internal sealed class DummyWeightSource : IWeightSource
{
    // Nothing is hashed: name, shape and the generator's version say what the values are.
    private static readonly string s_identity = string.Create(CultureInfo.InvariantCulture, $"dummy-{DummyWeights.Version}");

    /// <inheritdoc/>
    public string Path => "the dummy weights";

    /// <inheritdoc/>
    public IReadOnlyCollection<string>? Names => null;

    /// <inheritdoc/>
    public long TotalBytes => 0;

    /// <inheritdoc/>
    public IWeight Find(string name, params ReadOnlySpan<int> shape) => new DummyWeight(new GeneratedTensor(name, shape.ToArray()));

    /// <inheritdoc/>
    public IWeight? FindOptional(string name) => null;

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class DummyWeight(GeneratedTensor tensor) : IWeight
    {
        public TensorSource Tensor => tensor;

        public long Bytes { get; } = tensor.Shape.Aggregate((long)sizeof(ushort), (bytes, dimension) => bytes * dimension);

        public string Identify(CancellationToken cancellationToken) => s_identity;

        public void Release()
        {
        }
    }
}
