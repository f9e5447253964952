using Grid.Resumption;
using Microsoft.Extensions.Caching.Memory;

namespace Grid.Gateway.Caching;

/// <summary>Answers in this process' memory. Where there is no room, those go that were asked for longest ago.</summary>
/// <param name="retention">How long an answer is held.</param>
/// <param name="maxBytes">Bytes of all answers together.</param>
internal sealed class MemoryAnswerStore(TimeSpan retention, long maxBytes) : IAnswerStore, IDisposable
{
    /// <summary>What an entry takes besides its answer, roughly.</summary>
    private const int EntryBytes = 512;

    private readonly MemoryCache _answers = new(new MemoryCacheOptions { SizeLimit = maxBytes, TrackStatistics = true });

    /// <inheritdoc/>
    public long Bytes => _answers.GetCurrentStatistics()?.CurrentEstimatedSize ?? 0;

    /// <inheritdoc/>
    public Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken) => Task.FromResult(_answers.Get<byte[]>(key));

    /// <inheritdoc/>
    public Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        long size = answer.Length + EntryBytes;
        if (size <= maxBytes)
        {
            if (Bytes + size > maxBytes)
            {
                // By itself the cache would refuse this one, and make room for the next.
                _answers.Compact(Math.Min(1, Math.Max(0.05, 2.0 * size / maxBytes)));
            }
            _answers.Set(key, answer.ToArray(), new MemoryCacheEntryOptions { Size = size, AbsoluteExpirationRelativeToNow = retention });
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task RemoveAsync(string key, CancellationToken cancellationToken)
    {
        _answers.Remove(key);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void Dispose() => _answers.Dispose();
}
