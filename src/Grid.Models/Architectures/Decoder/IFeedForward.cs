using Grid.Models.Operations;

namespace Grid.Models.Architectures.Decoder;

/// <summary>The second half of one decoder layer, with its weights.</summary>
internal interface IFeedForward : IDisposable
{
    /// <summary>residual += feed_forward(normalized), rounded once; both are [rows, hidden]. The input is not changed.</summary>
    void AddTo(Activation residual, Activation normalized);
}

/// <summary>Loads every layer's feed-forward. Working memory that layers take turns with belongs to it.</summary>
internal interface IFeedForwardLoader
{
    /// <summary>Uploads the weights of one layer.</summary>
    /// <param name="loader">The checkpoint.</param>
    /// <param name="layer">The layer's number, from 0.</param>
    /// <param name="name">The layer's prefix in the checkpoint, e.g. model.layers.0.mlp.</param>
    IFeedForward Load(WeightLoader loader, int layer, string name);
}
