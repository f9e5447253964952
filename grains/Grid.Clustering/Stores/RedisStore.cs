using System.Net;
using Grid.Options;
using Grid.Resumption;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace Grid.Clustering.Stores;

/// <summary>Membership in Redis, under the key "&lt;service id&gt;/members/&lt;cluster id&gt;".</summary>
internal sealed class RedisStore : IMembershipStore
{
    /// <summary>How a connection is written.</summary>
    public const string Example = "for Redis it is host:port with what else its client takes, such as 'redis-1:6379,password=...'";

    private const string NoAnswer = "nothing answers there as Redis does; check host and port in --cluster-connection, and that Redis runs";

    private readonly ConfigurationOptions _connection;

    /// <summary>Throws <see cref="StartException"/> when the connection cannot be read.</summary>
    public RedisStore(string connection)
    {
        try
        {
            _connection = ConfigurationOptions.Parse(connection);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            // Neither the value nor the parser's words, which quote it: either may hold a password.
            throw new StartException($"--cluster-connection cannot be read; {Example}.", StartException.Usage);
        }

        if (_connection.EndPoints.Count == 0)
        {
            throw new StartException($"--cluster-connection names no host; {Example}.", StartException.Usage);
        }

        // What has no port may be anything, even a password that lacks its 'password='; it must not be taken, and shown,
        // as a host.
        if (_connection.EndPoints.Any(endpoint => endpoint is DnsEndPoint { Port: 0 } or IPEndPoint { Port: 0 }))
        {
            throw new StartException($"--cluster-connection holds a part that is neither host:port nor name=value; {Example}.", StartException.Usage);
        }

        _connection.ClientName ??= "grid";
    }

    private string Hosts => string.Join(", ", _connection.EndPoints.Select(Name));

    public string Describe(IPEndPoint silo) => $"in Redis at {Hosts}";

    public async Task<IPAddress> PrepareAsync(TextWriter output, CancellationToken cancellationToken)
    {
        // First whether anything listens: the client would take its whole patience to say so.
        var towards = await AddressTowardsAsync(cancellationToken);
        await PingAsync(cancellationToken);
        return towards;
    }

    public void Configure(ISiloBuilder silo, IPEndPoint self) => silo.UseRedisClustering(redis => redis.ConfigurationOptions = Patient());

    public IRequestStore CreateRequestStore(ClusterNodeOptions options, IPEndPoint self, IServiceProvider services) =>
        new RedisRequestStore(options.SequenceRetention, options.ServiceId, Patient());

    public IAnswerStore CreateAnswerStore(ClusterNodeOptions options, TimeSpan retention, long maxBytes) =>
        new RedisAnswerStore(retention, maxBytes, options.ServiceId, Patient());

    /// <summary>Once the node runs, an outage of Redis is waited out; what runs does not need it.</summary>
    private ConfigurationOptions Patient()
    {
        var connection = _connection.Clone();
        connection.AbortOnConnectFail = false;
        return connection;
    }

    private async Task<IPAddress> AddressTowardsAsync(CancellationToken cancellationToken)
    {
        foreach (var endpoint in _connection.EndPoints)
        {
            var (host, port) = Parts(endpoint);
            if (port == 0)
            {
                return IPAddress.Loopback; // A socket in the file system: all nodes are on this machine.
            }

            if (await StoreNetwork.AddressTowardsAsync(host, port, cancellationToken) is { } address)
            {
                return address;
            }
        }

        throw Unusable(NoAnswer);
    }

    private StartException Unusable(string reason) => new($"The cluster's store, Redis at {Hosts}, cannot be used: {reason}.");

    private async Task PingAsync(CancellationToken cancellationToken)
    {
        var probe = _connection.Clone();
        probe.AbortOnConnectFail = true;
        probe.ConnectTimeout = (int)StoreNetwork.Patience.TotalMilliseconds;
        probe.ConnectRetry = 1;
        try
        {
            await using var connection = await ConnectionMultiplexer.ConnectAsync(probe).WaitAsync(cancellationToken);
            await connection.GetDatabase().PingAsync().WaitAsync(StoreNetwork.Patience, cancellationToken);
        }
        catch (Exception exception) when (exception is RedisException or TimeoutException)
        {
            throw Unusable(Reason(exception));
        }
    }

    private static string Reason(Exception exception)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            string message = inner.Message;
            if (message.Contains("NOAUTH", StringComparison.Ordinal) || message.Contains("WRONGPASS", StringComparison.Ordinal)
                || message.Contains("invalid password", StringComparison.OrdinalIgnoreCase)
                || inner is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure })
            {
                return "it does not accept the user or password of --cluster-connection";
            }
        }

        return exception is RedisConnectionException or RedisTimeoutException or TimeoutException
            ? NoAnswer
            : "it refused a plain request";
    }

    private static string Name(EndPoint endpoint) => endpoint is DnsEndPoint dns ? $"{dns.Host}:{dns.Port}" : endpoint.ToString()!;

    private static (string Host, int Port) Parts(EndPoint endpoint) => endpoint switch
    {
        DnsEndPoint dns => (dns.Host, dns.Port),
        IPEndPoint ip => (ip.Address.ToString(), ip.Port),
        _ => ("", 0),
    };
}
