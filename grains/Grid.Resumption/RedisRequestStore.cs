using Grid.Grains;
using Grid.Grains.Messages;
using StackExchange.Redis;

namespace Grid.Resumption;

/// <summary>Requests in Redis: a hash under "&lt;service id&gt;/requests/&lt;id&gt;", which Redis lets expire.</summary>
/// <param name="retention">How long a request is kept after its stream ended.</param>
/// <param name="serviceId">Whose requests.</param>
/// <param name="options">How Redis is reached.</param>
internal sealed class RedisRequestStore(TimeSpan retention, string serviceId, ConfigurationOptions options) : IRequestStore, IAsyncDisposable
{
    private const string Put =
        "if redis.call('HSETNX', KEYS[1], 'request', ARGV[1]) == 1 then redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'epoch', 0) "
        + "redis.call('PEXPIRE', KEYS[1], ARGV[3]) end";

    private const string Claim =
        "local owner = redis.call('HGET', KEYS[1], 'owner') if not owner then return nil end "
        + "redis.call('HSET', KEYS[1], 'owner', ARGV[1]) redis.call('PEXPIRE', KEYS[1], ARGV[2]) "
        + "return {redis.call('HINCRBY', KEYS[1], 'epoch', 1), owner}";

    private readonly RedisConnection _redis = new(options);

    public TimeSpan Retention => retention;

    public async Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken) =>
        await (await _redis.DatabaseAsync(cancellationToken)).ScriptEvaluateAsync(Put, [Key(id)], [request, owner, Milliseconds(life)]).WaitObservedAsync(cancellationToken);

    public async Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await (await _redis.DatabaseAsync(cancellationToken)).HashGetAsync(Key(id), "request").WaitObservedAsync(cancellationToken);

    public async Task<RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken)
    {
        var database = await _redis.DatabaseAsync(cancellationToken);
        var reply = await database.ScriptEvaluateAsync(Claim, [Key(id)], [owner, Milliseconds(life)]).WaitObservedAsync(cancellationToken);
        return reply.IsNull ? null : new RequestClaim { Epoch = (int)reply[0], PreviousOwner = (string)reply[1]! };
    }

    public async Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken)
    {
        if (ids.Count > 0)
        {
            var database = await _redis.DatabaseAsync(cancellationToken);
            await Task.WhenAll(ids.Select(id => database.KeyExpireAsync(Key(id), life))).WaitObservedAsync(cancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _redis.DisposeAsync();

    private static long Milliseconds(TimeSpan life) => (long)life.TotalMilliseconds;

    private RedisKey Key(Guid id) => $"{serviceId}/requests/{id:N}";
}
