using System.Net;
using System.Net.Sockets;
using Grid.Options;
using Grid.Resumption;
using Npgsql;

namespace Grid.Clustering.Stores;

/// <summary>Membership in PostgreSQL, through Orleans' ADO.NET provider.</summary>
internal sealed class PostgresStore : IMembershipStore
{
    /// <summary>How a connection is written.</summary>
    public const string Example = "for PostgreSQL it is written 'Host=db-1;Database=grid;Username=grid;Password=...'";

    private readonly NpgsqlConnectionStringBuilder _connection;
    private readonly bool _applySchema;
    private readonly bool _keepsAnswers;

    /// <summary>Throws <see cref="StartException"/> when the connection cannot be read.</summary>
    public PostgresStore(string connection, bool applySchema, bool keepsAnswers = false)
    {
        (_applySchema, _keepsAnswers) = (applySchema, keepsAnswers);
        try
        {
            _connection = new NpgsqlConnectionStringBuilder(connection);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidCastException)
        {
            // Neither the value nor the parser's words, which quote it: either may hold a password.
            throw new StartException($"--cluster-connection cannot be read; {Example}.", StartException.Usage);
        }

        if (string.IsNullOrEmpty(_connection.Host))
        {
            throw new StartException($"--cluster-connection names no Host; {Example}.", StartException.Usage);
        }

        _connection.ApplicationName ??= "grid";
    }

    private string Place => $"PostgreSQL at {_connection.Host}:{_connection.Port}, database {_connection.Database ?? _connection.Username}";

    public string Describe(IPEndPoint silo) => $"in {Place}";

    public async Task<IPAddress> PrepareAsync(TextWriter output, CancellationToken cancellationToken)
    {
        try
        {
            await CheckSchemaAsync(output, cancellationToken);
        }
        catch (PostgresException exception)
        {
            throw Unusable(exception.MessageText);
        }
        catch (Exception exception) when (exception is NpgsqlException or SocketException or TimeoutException or IOException)
        {
            throw Unusable("nothing answers there as PostgreSQL does; check Host and Port in --cluster-connection, and that PostgreSQL runs");
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            throw Unusable("--cluster-connection holds settings that do not go together");
        }

        foreach (string host in _connection.Host!.Split(',', StringSplitOptions.TrimEntries))
        {
            var (name, port) = Parts(host);
            if (await StoreNetwork.AddressTowardsAsync(name, port, cancellationToken) is { } address)
            {
                return address;
            }
        }

        return IPAddress.Loopback; // A socket in the file system: all nodes are on this machine.
    }

    public void Configure(ISiloBuilder silo, IPEndPoint self) => silo.UseAdoNetClustering(adoNet =>
    {
        adoNet.Invariant = "Npgsql";
        adoNet.ConnectionString = _connection.ConnectionString;
    });

    public IRequestStore CreateRequestStore(ClusterNodeOptions options, IPEndPoint self, IServiceProvider services) =>
        new PostgresRequestStore(options.SequenceRetention, options.ServiceId, _connection.ConnectionString);

    public IAnswerStore CreateAnswerStore(ClusterNodeOptions options, TimeSpan retention, long maxBytes) =>
        new PostgresAnswerStore(retention, maxBytes, options.ServiceId, _connection.ConnectionString);

    private async Task CheckSchemaAsync(TextWriter output, CancellationToken cancellationToken)
    {
        var probe = new NpgsqlConnectionStringBuilder(_connection.ConnectionString)
        {
            Timeout = (int)StoreNetwork.Patience.TotalSeconds,
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(probe.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await RequireAsync("the membership tables", MembershipSchema.Script, MembershipSchema.IsThereAsync);
        await RequireAsync("the table of requests", PostgresRequestStore.Script, PostgresRequestStore.IsPreparedAsync);
        if (_keepsAnswers || _applySchema)
        {
            await RequireAsync("the table of answers", PostgresAnswerStore.Script, PostgresAnswerStore.IsPreparedAsync);
        }

        async Task RequireAsync(string what, Stream script, Func<NpgsqlConnection, CancellationToken, Task<bool>> isThere)
        {
            if (await isThere(connection, cancellationToken))
            {
                return;
            }

            if (!_applySchema)
            {
                throw new StartException($"The cluster's store, {Place}, lacks {what}; start one node with --apply-schema to make them.");
            }

            if (await MembershipSchema.ApplyAsync(connection, script, isThere, cancellationToken))
            {
                await output.WriteLineAsync($"Made {what} in {Place}.");
            }
        }
    }

    private StartException Unusable(string reason) => new($"The cluster's store, {Place}, cannot be used: {reason}.");

    private (string Host, int Port) Parts(string host)
    {
        int colon = host.LastIndexOf(':');
        return colon > 0 && host.IndexOf(':') == colon && int.TryParse(host.AsSpan(colon + 1), out int port)
            ? (host[..colon], port)
            : (host, _connection.Port);
    }
}
