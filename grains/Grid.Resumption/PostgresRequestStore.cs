using Grid.Grains.Messages;
using Npgsql;

namespace Grid.Resumption;

/// <summary>Requests in PostgreSQL, table grid_request (requests.sql).</summary>
/// <param name="retention">How long a request is kept after its stream ended.</param>
/// <param name="serviceId">Whose requests.</param>
/// <param name="connection">How PostgreSQL is reached.</param>
internal sealed class PostgresRequestStore(TimeSpan retention, string serviceId, string connection) : IRequestStore, IAsyncDisposable
{
    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(connection);

    /// <summary>Makes the table.</summary>
    public static Stream Script => typeof(PostgresRequestStore).Assembly.GetManifestResourceStream("requests.sql")!;

    public TimeSpan Retention => retention;

    /// <summary>Whether the table is there.</summary>
    public static async Task<bool> IsPreparedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var table = new NpgsqlCommand("SELECT to_regclass('grid_request') IS NOT NULL", connection);
        return await table.ExecuteScalarAsync(cancellationToken) is true;
    }

    public async Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken)
    {
        await using var command = Command(
            "INSERT INTO grid_request (service_id, id, request, owner, expires) VALUES (@service, @id, @request, @owner, now() + @life) "
            + "ON CONFLICT DO NOTHING", life);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("request", request);
        command.Parameters.AddWithValue("owner", owner);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken)
    {
        await using var command = Command("SELECT request FROM grid_request WHERE service_id = @service AND id = @id AND expires > now()");
        command.Parameters.AddWithValue("id", id);
        return await command.ExecuteScalarAsync(cancellationToken) as byte[];
    }

    public async Task<RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken)
    {
        // The row is locked before it is read: of two claims at once, the later sees the earlier.
        await using var command = Command(
            """
            WITH before AS (
                SELECT owner FROM grid_request WHERE service_id = @service AND id = @id AND expires > now() FOR UPDATE)
            UPDATE grid_request r SET owner = @owner, epoch = r.epoch + 1, expires = now() + @life
            FROM before
            WHERE r.service_id = @service AND r.id = @id
            RETURNING r.epoch, before.owner
            """, life);
        command.Parameters.AddWithValue("id", id);
        command.Parameters.AddWithValue("owner", owner);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new RequestClaim { Epoch = reader.GetInt32(0), PreviousOwner = reader.GetString(1) }
            : null;
    }

    public async Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken)
    {
        if (ids.Count > 0)
        {
            await using var renew = Command(
                "UPDATE grid_request SET expires = now() + @life WHERE service_id = @service AND id = ANY(@ids) AND expires > now()", life);
            renew.Parameters.AddWithValue("ids", ids.ToArray());
            await renew.ExecuteNonQueryAsync(cancellationToken);
        }

        await using var sweep = _source.CreateCommand("DELETE FROM grid_request WHERE expires < now()");
        await sweep.ExecuteNonQueryAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private NpgsqlCommand Command(string text, TimeSpan? life = null)
    {
        var command = _source.CreateCommand(text);
        command.Parameters.AddWithValue("service", serviceId);
        if (life is { } span)
        {
            command.Parameters.AddWithValue("life", span);
        }

        return command;
    }
}
