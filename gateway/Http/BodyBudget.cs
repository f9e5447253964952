using Microsoft.Extensions.Options;

namespace Grid.Gateway.Http;

/// <summary>
/// Memory for what clients send. All requests under way share a number of bytes for their bodies; a quarter of it is for small bodies
/// alone, so that large ones do not keep them out. Large bodies are taken apart one at a time: that takes a multiple of a body's size
/// for a moment, and a core.
/// </summary>
internal sealed class BodyBudget(IOptions<GatewayOptions> options) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private readonly long _total = options.Value.TotalBodyBytes;

    /// <summary>Bytes from which on a body is large.</summary>
    private readonly long _large = Math.Min(128 * 1024, options.Value.TotalBodyBytes / 16);
    private long _taken;

    /// <summary>The largest body that is taken.</summary>
    public long MaxBodyBytes => Math.Min(options.Value.MaxRequestBodyBytes, TotalFor(_total));

    /// <summary>A request's part of the budget, given back when it has been answered.</summary>
    public BodyShare Open(HttpContext context)
    {
        var share = new BodyShare(this);
        context.Response.RegisterForDispose(share);
        return share;
    }

    /// <summary>Takes a body apart. A large one waits for its turn, and has a thread of its own: the pool's are few, and for what should
    /// not wait.</summary>
    public async Task<T> TakeApartAsync<T>(long bytes, Func<T> takeApart, CancellationToken cancellationToken)
    {
        if (bytes < _large)
        {
            return takeApart();
        }
        await _turn.WaitAsync(cancellationToken);
        try
        {
            return await Task.Factory.StartNew(takeApart, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    /// <summary>What all bodies together may have when one of this size is among them.</summary>
    private long TotalFor(long bytes) => bytes < _large ? _total : _total / 4 * 3;

    /// <summary>What one request has taken.</summary>
    internal sealed class BodyShare(BodyBudget budget) : IDisposable
    {
        private long _bytes;

        /// <summary>Takes more. Throws <see cref="ApiException"/> (429) when all requests together would have too much.</summary>
        public void Take(long bytes)
        {
            if (Interlocked.Add(ref budget._taken, bytes) > budget.TotalFor(_bytes + bytes))
            {
                Interlocked.Add(ref budget._taken, -bytes);
                throw ApiErrors.Overloaded(
                    $"The bodies of the requests under way would have more than {budget._total} bytes, the limit of this gateway; try again.", null);
            }
            _bytes += bytes;
        }

        public void Dispose() => Interlocked.Add(ref budget._taken, -Interlocked.Exchange(ref _bytes, 0));
    }
}
