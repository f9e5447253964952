using Microsoft.Extensions.Options;

namespace Grid.Gateway.Http;

/// <summary>
/// Memory for what clients send. All requests under way share a number of bytes for their bodies, and large bodies are taken apart
/// one at a time: that takes a multiple of a body's size for a moment, and a core.
/// </summary>
internal sealed class BodyBudget(IOptions<GatewayOptions> options) : IDisposable
{
    /// <summary>Bytes from which on a body waits for its turn.</summary>
    private const int LargeBytes = 128 * 1024;

    private readonly SemaphoreSlim _turn = new(1);
    private readonly long _total = options.Value.TotalBodyBytes;
    private long _taken;

    /// <summary>The largest body that is taken.</summary>
    public long MaxBodyBytes => Math.Min(options.Value.MaxRequestBodyBytes, _total);

    /// <summary>A request's part of the budget, given back when it has been answered.</summary>
    public BodyShare Open(HttpContext context)
    {
        var share = new BodyShare(this);
        context.Response.RegisterForDispose(share);
        return share;
    }

    /// <summary>Waits until a body may be taken apart; its turn ends with the result.</summary>
    public async Task<IDisposable?> TakeTurnAsync(long bytes, CancellationToken cancellationToken)
    {
        if (bytes < LargeBytes)
        {
            return null;
        }
        await _turn.WaitAsync(cancellationToken);
        return new Turn(_turn);
    }

    public void Dispose() => _turn.Dispose();

    private sealed class Turn(SemaphoreSlim turn) : IDisposable
    {
        public void Dispose() => turn.Release();
    }

    /// <summary>What one request has taken.</summary>
    internal sealed class BodyShare(BodyBudget budget) : IDisposable
    {
        private long _bytes;

        /// <summary>Takes more. Throws <see cref="ApiException"/> (429) when all requests together would have too much.</summary>
        public void Take(long bytes)
        {
            if (Interlocked.Add(ref budget._taken, bytes) > budget._total)
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
