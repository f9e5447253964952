using Grid.Models.Operations;

namespace Grid.Models;

/// <summary>An architecture's forward pass with its weights on a device.</summary>
public interface ICausalLanguageModel : IDisposable
{
    /// <summary>The checkpoint's configuration.</summary>
    ModelConfig Config { get; }

    /// <summary>Largest batch, in rows, that <see cref="Forward"/> takes.</summary>
    int MaxRows { get; }

    /// <summary>Allocates a KV cache of the model's shape.</summary>
    KvCache AllocateKvCache(int pages);

    /// <summary>Bytes of device memory one KV page takes.</summary>
    long KvPageBytes { get; }

    /// <summary>Runs all layers and the final norm on the batch, writing keys and values of its rows into the pages.</summary>
    void Forward(BatchLayout batch, KvCache cache);

    /// <summary>Logits of LogitRows[first .. first+count) of the last <see cref="Forward"/>.</summary>
    void ComputeLogits(int first, int count, LogitsBuffer logits);
}
