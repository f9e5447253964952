using System.Security.Cryptography;
using System.Text;
using Grid.Gateway.Http;
using Grid.Resumption;
using Orleans.Serialization;

namespace Grid.Gateway.Caching;

/// <summary>
/// The answers in a store, which harms no request: one that fails or is slow is left alone for a while, and what is not whole in it counts as
/// not there.
/// </summary>
/// <param name="serializer">Their form.</param>
/// <param name="clock">Time.</param>
/// <param name="logger">Told when the store fails.</param>
/// <param name="store">Null where nothing is remembered.</param>
internal sealed class RememberedAnswers(Serializer<RememberedAnswer> serializer, TimeProvider clock, ILogger<RememberedAnswers> logger, IAnswerStore? store = null)
{
    /// <summary>Of this form: a version, SHA-256 of the key and what follows, the answer.</summary>
    private const byte Version = 1;

    private const int HeaderBytes = 1 + SHA256.HashSizeInBytes;

    /// <summary>The longest that anything waits for the store.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>How long the store is left alone after it has failed.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(5);

    private long _pausedUntil;

    /// <summary>Whether anything is remembered.</summary>
    public bool AreKept => store is not null;

    /// <summary>Bytes of them all.</summary>
    public long Bytes => store?.Bytes ?? 0;

    /// <summary>An answer; null where none is remembered, or the store does not say.</summary>
    public async Task<RememberedAnswer?> FindAsync(string key, CancellationToken cancellationToken) =>
        await TryAsync(token => store!.FindAsync(key, token), cancellationToken) is { } record ? Read(key, record) : null;

    /// <summary>Remembers an answer.</summary>
    public Task PutAsync(string key, RememberedAnswer answer) => TryAsync(async token =>
    {
        await store!.PutAsync(key, Write(key, answer), token);
        return true;
    }, CancellationToken.None);

    /// <summary>Forgets an answer.</summary>
    public Task RemoveAsync(string key) => TryAsync(async token =>
    {
        await store!.RemoveAsync(key, token);
        return true;
    }, CancellationToken.None);

    /// <summary>A record of an answer.</summary>
    internal byte[] Write(string key, RememberedAnswer answer)
    {
        byte[] form = serializer.SerializeToArray(answer);
        return [Version, .. Sum(key, form), .. form];
    }

    /// <summary>Reads a record; null for one of another version, of another key, or that was damaged.</summary>
    internal RememberedAnswer? Read(string key, byte[] record)
    {
        if (record.Length <= HeaderBytes || record[0] != Version || !record.AsSpan(1, SHA256.HashSizeInBytes).SequenceEqual(Sum(key, record.AsSpan(HeaderBytes))))
        {
            return null;
        }
        try
        {
            return serializer.Deserialize(record.AsSpan(HeaderBytes));
        }
        catch (SerializerException)
        {
            return null; // A newer gateway's.
        }
    }

    private static byte[] Sum(string key, ReadOnlySpan<byte> form)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.ASCII.GetBytes(key));
        hash.AppendData(form);
        return hash.GetHashAndReset();
    }

    private async Task<T?> TryAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        if (clock.GetTimestamp() < Volatile.Read(ref _pausedUntil))
        {
            return default;
        }
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(s_patience);
        try
        {
            return await ask(patience.Token);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            long until = clock.GetTimestamp() + (long)(s_pause.TotalSeconds * clock.TimestampFrequency);
            if (Interlocked.Exchange(ref _pausedUntil, until) <= clock.GetTimestamp())
            {
                GatewayLog.AnswersAway(logger, exception);
            }
            return default;
        }
    }
}
