using System.Collections.Concurrent;
using Grid.Grains;
using Grid.Text;

namespace Grid.Sequences.Routing;

/// <summary>Text models by the digest of their files, fetched from a worker once: a gateway needs no model folder.</summary>
public sealed class TextModelCache
{
    private readonly ConcurrentDictionary<string, TextModel?> _models = new(StringComparer.Ordinal);

    /// <summary>The text model of a digest; null when the model is served without text files, by token ids alone. Throws
    /// when the worker does not have the digest or its files cannot be read.</summary>
    public async Task<TextModel?> GetAsync(IGpuWorkerGrain worker, string digest, CancellationToken cancellationToken)
    {
        if (_models.TryGetValue(digest, out var known))
        {
            return known;
        }

        var files = await worker.GetTextFiles(digest).WaitObservedAsync(cancellationToken)
            ?? throw new InvalidOperationException($"Worker {worker.GetPrimaryKeyString()} has no text files of digest {digest}.");
        var loaded = files.Files.Length == 0 ? null : TextModel.Load(files.Files.ToDictionary(file => file.Name, file => file.Content, StringComparer.Ordinal));
        return _models.GetOrAdd(digest, loaded);
    }
}
