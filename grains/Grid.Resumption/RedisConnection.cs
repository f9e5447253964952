using Grid.Grains;
using StackExchange.Redis;

namespace Grid.Resumption;

/// <summary>One connection for all who ask for it; one that could not be made is made anew when it is asked for again.</summary>
/// <param name="options">How Redis is reached.</param>
internal sealed class RedisConnection(ConfigurationOptions options) : IAsyncDisposable
{
    private readonly Lock _connecting = new();
    private Task<ConnectionMultiplexer>? _connection;

    public async ValueTask<IDatabase> DatabaseAsync(CancellationToken cancellationToken) =>
        (await ConnectAsync().WaitObservedAsync(cancellationToken)).GetDatabase();

    public async ValueTask DisposeAsync()
    {
        Task<ConnectionMultiplexer>? connection;
        lock (_connecting)
        {
            connection = _connection;
        }

        if (connection is null)
        {
            return;
        }

        await ((Task)connection).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (connection.IsCompletedSuccessfully)
        {
            await connection.Result.DisposeAsync();
        }
    }

    private Task<ConnectionMultiplexer> ConnectAsync()
    {
        lock (_connecting)
        {
            return _connection is null or { IsFaulted: true } or { IsCanceled: true }
                ? _connection = ConnectionMultiplexer.ConnectAsync(options)
                : _connection;
        }
    }
}
