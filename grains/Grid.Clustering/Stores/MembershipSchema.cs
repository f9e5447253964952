using System.Data;
using Grid.Options;
using Npgsql;

namespace Grid.Clustering.Stores;

/// <summary>
/// Tables and statements that Orleans' ADO.NET membership needs. The provider's package brings no scripts: it reads the
/// statements it runs from table OrleansQuery, by fixed keys, and binds parameters and columns by fixed names; all else
/// is free. membership.sql is Grid's own; a database prepared with Orleans' scripts does as well.
/// </summary>
internal static class MembershipSchema
{
    /// <summary>Two nodes may be asked to apply the schema at once: the second waits for the first.</summary>
    private const long LockKey = 0x67726964; // "grid"

    /// <summary>Makes them.</summary>
    public static Stream Script => typeof(MembershipSchema).Assembly.GetManifestResourceStream("membership.sql")!;

    /// <summary>The statements that the provider asks for.</summary>
    private static readonly string[] s_keys =
    [
        "CleanupDefunctSiloEntriesKey", "DeleteMembershipTableEntriesKey", "GatewaysQueryKey", "InsertMembershipKey",
        "InsertMembershipVersionKey", "MembershipReadAllKey", "MembershipReadRowKey", "UpdateIAmAlivetimeKey", "UpdateMembershipKey",
    ];

    /// <summary>Whether all statements are there.</summary>
    public static async Task<bool> IsThereAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var table = new NpgsqlCommand("SELECT to_regclass('OrleansQuery') IS NOT NULL", connection);
        if (await table.ExecuteScalarAsync(cancellationToken) is not true)
        {
            return false;
        }

        await using var keys = new NpgsqlCommand("SELECT count(*) FROM OrleansQuery WHERE QueryKey = ANY(@keys)", connection);
        keys.Parameters.AddWithValue("keys", s_keys);
        long there = (long)(await keys.ExecuteScalarAsync(cancellationToken))!;
        return there == s_keys.Length || (there == 0
            ? false
            : throw new StartException($"Table OrleansQuery holds {there} of the {s_keys.Length} membership statements, so it was made by something else or in part; use another database, or drop the table."));
    }

    /// <summary>Makes what is missing by a script, all or nothing; false when another node was first.</summary>
    /// <remarks>The lock is the session's, not a transaction's: PostgreSQL refreshes what a session knows of the tables when a
    /// transaction begins, so only one that begins after the wait is sure to see what the other node has made.</remarks>
    public static async Task<bool> ApplyAsync(
        NpgsqlConnection connection, Stream script, Func<NpgsqlConnection, CancellationToken, Task<bool>> isThere,
        CancellationToken cancellationToken)
    {
        await LockAsync("SELECT pg_advisory_lock(@key)", connection, cancellationToken);
        try
        {
            if (await isThere(connection, cancellationToken))
            {
                return false;
            }

            using var reader = new StreamReader(script);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var command = new NpgsqlCommand(await reader.ReadToEndAsync(cancellationToken), connection, transaction);
            await command.ExecuteNonQueryAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            return true;
        }
        finally
        {
            if (connection.State == ConnectionState.Open) // A connection that broke has lost its lock.
            {
                await LockAsync("SELECT pg_advisory_unlock(@key)", connection, CancellationToken.None);
            }
        }
    }

    private static async Task LockAsync(string statement, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        command.Parameters.AddWithValue("key", LockKey);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
