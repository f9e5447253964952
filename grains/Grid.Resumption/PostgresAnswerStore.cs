using Npgsql;

namespace Grid.Resumption;

/// <summary>
/// Answers in PostgreSQL, table grid_answer (answers.sql). What has expired is not found, and what is beyond the bytes goes once a node has
/// put a sixteenth of them since it last looked.
/// </summary>
/// <param name="retention">How long an answer is held.</param>
/// <param name="maxBytes">Bytes of all answers together.</param>
/// <param name="serviceId">Whose answers.</param>
/// <param name="connection">How PostgreSQL is reached.</param>
internal sealed class PostgresAnswerStore(TimeSpan retention, long maxBytes, string serviceId, string connection) : IAnswerStore, IAsyncDisposable
{
    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(connection);
    private long _bytes;
    private long _unswept;

    /// <summary>Makes the table.</summary>
    public static Stream Script => typeof(PostgresAnswerStore).Assembly.GetManifestResourceStream("answers.sql")!;

    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>Whether the table is there.</summary>
    public static async Task<bool> IsPreparedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var table = new NpgsqlCommand("SELECT to_regclass('grid_answer') IS NOT NULL", connection);
        return await table.ExecuteScalarAsync(cancellationToken) is true;
    }

    public async Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken)
    {
        await using var command = Command("SELECT answer FROM grid_answer WHERE service_id = @service AND key = @key AND expires > now()", key);
        return await command.ExecuteScalarAsync(cancellationToken) as byte[];
    }

    public async Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
    {
        if (answer.Length > maxBytes)
        {
            return;
        }

        await using var command = Command(
            "INSERT INTO grid_answer (service_id, key, answer, bytes, expires) VALUES (@service, @key, @answer, octet_length(@answer), now() + @life) "
            + "ON CONFLICT (service_id, key) DO UPDATE SET answer = excluded.answer, bytes = excluded.bytes, expires = excluded.expires", key);
        command.Parameters.AddWithValue("answer", answer);
        command.Parameters.AddWithValue("life", retention);
        await command.ExecuteNonQueryAsync(cancellationToken);
        Interlocked.Add(ref _bytes, answer.Length);
        if (Interlocked.Add(ref _unswept, answer.Length) >= maxBytes / 16)
        {
            await SweepAsync(cancellationToken);
        }
    }

    public async Task RemoveAsync(string key, CancellationToken cancellationToken)
    {
        await using var command = Command("DELETE FROM grid_answer WHERE service_id = @service AND key = @key", key);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    /// <summary>Drops what has expired, and then what was put first, until the rest is within the bytes.</summary>
    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        Interlocked.Exchange(ref _unswept, 0);
        await using var command = Command(
            """
            WITH held AS (
                SELECT key, bytes, expires, sum(bytes) OVER (ORDER BY expires DESC, key) AS total FROM grid_answer WHERE service_id = @service),
            gone AS (
                DELETE FROM grid_answer a USING held h
                WHERE a.service_id = @service AND a.key = h.key AND (h.expires <= now() OR h.total > @most))
            SELECT coalesce(sum(bytes), 0)::bigint FROM held WHERE expires > now() AND total <= @most
            """, "");
        command.Parameters.AddWithValue("most", maxBytes);
        Volatile.Write(ref _bytes, (long)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    private NpgsqlCommand Command(string text, string key)
    {
        var command = _source.CreateCommand(text);
        command.Parameters.AddWithValue("service", serviceId);
        command.Parameters.AddWithValue("key", key);
        return command;
    }
}
