using Grid.Grains;
using StackExchange.Redis;

namespace Grid.Resumption;

/// <summary>
/// Answers in Redis: a hash "&lt;service id&gt;/answers" of them by key, a sorted set of the keys by when they expire, and their bytes in
/// all. Changed by scripts, and in one slot of a Redis cluster, so that the three agree.
/// </summary>
/// <param name="retention">How long an answer is held.</param>
/// <param name="maxBytes">Bytes of all answers together.</param>
/// <param name="serviceId">Whose answers.</param>
/// <param name="options">How Redis is reached.</param>
internal sealed class RedisAnswerStore(TimeSpan retention, long maxBytes, string serviceId, ConfigurationOptions options) : IAnswerStore, IAsyncDisposable
{
    // Redis' clock for all: those of gateways differ.
    private const string Drop =
        "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) "
        + "local function drop(key) redis.call('DECRBY', KEYS[3], redis.call('HSTRLEN', KEYS[1], key)) redis.call('HDEL', KEYS[1], key) redis.call('ZREM', KEYS[2], key) end "
        + "for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do drop(key) end ";

    private const string Find = Drop + "return {redis.call('HGET', KEYS[1], ARGV[1]), redis.call('GET', KEYS[3])}";

    private const string Remove = Drop + "drop(ARGV[1]) return redis.call('GET', KEYS[3])";

    // Where Redis has evicted one of the three, they begin anew.
    private const string Put =
        "if redis.call('EXISTS', unpack(KEYS)) < 3 then redis.call('DEL', unpack(KEYS)) end " + Drop + "drop(ARGV[1]) redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1]) "
        + "local bytes = redis.call('INCRBY', KEYS[3], #ARGV[2]) "
        + "while bytes > tonumber(ARGV[4]) do drop(redis.call('ZRANGE', KEYS[2], 0, 0)[1]) bytes = tonumber(redis.call('GET', KEYS[3])) end "
        + "for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[3] * 2) end return bytes";

    private readonly RedisConnection _redis = new(options);
    private readonly RedisKey[] _keys = [$"{{{serviceId}/answers}}", $"{{{serviceId}/answers}}/expiries", $"{{{serviceId}/answers}}/bytes"];
    private long _bytes;

    public long Bytes => Volatile.Read(ref _bytes);

    public async Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken)
    {
        var reply = await RunAsync(Find, cancellationToken, key);
        See(reply[1]);
        return (byte[]?)reply[0];
    }

    public async Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        if (answer.Length <= maxBytes)
        {
            See(await RunAsync(Put, cancellationToken, key, answer, (long)retention.TotalMilliseconds, maxBytes));
        }
    }

    public async Task RemoveAsync(string key, CancellationToken cancellationToken) => See(await RunAsync(Remove, cancellationToken, key));

    public ValueTask DisposeAsync() => _redis.DisposeAsync();

    private void See(RedisResult bytes) => Volatile.Write(ref _bytes, bytes.IsNull ? 0 : (long)bytes);

    private async Task<RedisResult> RunAsync(string script, CancellationToken cancellationToken, params RedisValue[] values) =>
        await (await _redis.DatabaseAsync(cancellationToken)).ScriptEvaluateAsync(script, _keys, values).WaitObservedAsync(cancellationToken);
}
