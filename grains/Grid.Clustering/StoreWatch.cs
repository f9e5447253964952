using Grid.Options;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Orleans.Clustering.Redis;

namespace Grid.Clustering;

/// <summary>
/// Sees whether the store still has what this node wrote to it. A store that was emptied or set back (Redis started anew without
/// persistence, tables dropped, an old copy restored) splits a cluster for good: the nodes that run go on with what they know, and those
/// that start find an empty table and form another. Orleans does not notice: it takes a table with a lower version for an old answer.
/// Entries of nodes that run cannot be written anew by one of them without the others taking the missing ones for dead. So each of them
/// drains and ends, and whoever runs it starts it anew.
/// </summary>
internal sealed partial class StoreWatch(
    IMembershipTable table, ILocalSiloDetails silo, NodeHealth health, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<StoreWatch> logger)
    : BackgroundService
{
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(2);

    private int _version;

    /// <inheritdoc/>
    public override Task StopAsync(CancellationToken cancellationToken)
    {
        if (health.StoreLost is not null)
        {
            // Drained; Orleans would try to say goodbye in a table that is not its own any more.
            Environment.Exit(StartException.Failed);
        }

        return base.StopAsync(cancellationToken);
    }

    /// <summary>Begins once the silo has joined, with its entry in the table.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(s_period, time);
        do
        {
            if (await LookAsync(stoppingToken) is { } lost)
            {
                string sentence = $"The cluster's store has lost what was written to it ({lost}); this node drains and ends, for nodes that start now would not find it: start it again.";
                health.SetLost(sentence);
                LogLost(sentence);
                lifetime.StopApplication();
                return;
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>What the store has lost; null for nothing, and where it does not answer.</summary>
    private async Task<string?> LookAsync(CancellationToken stoppingToken)
    {
        string? lost;
        try
        {
            var data = await table.ReadAllAsync(stoppingToken);
            lost = !data.Members.Any(member => member.Item1.SiloAddress.Equals(silo.SiloAddress)) ? "its entry for this node is gone"
                : data.Version.Version < _version ? $"its version went back from {_version} to {data.Version.Version}"
                : null;
            _version = data.Version.Version;
        }
        catch (Exception exception) when (IsAboutTable(exception))
        {
            lost = "its membership table is gone";
        }
#pragma warning disable CA1031 // Whatever keeps the store from answering: it is asked again.
        catch (Exception exception)
        {
            if (health.StoreState != StoreState.Away && !stoppingToken.IsCancellationRequested)
            {
                health.SetAway();
                LogAway(exception.GetType().Name);
            }

            return null;
        }
#pragma warning restore CA1031

        if (health.StoreAwaySince is { } since)
        {
            LogBack((time.GetUtcNow() - since).TotalSeconds);
            health.SetWell();
        }

        return lost;
    }

    /// <summary>Whether the store answered, and has no table. What keeps Redis from answering is an exception of its client, also where it is
    /// an inner one.</summary>
    private static bool IsAboutTable(Exception exception) => exception
        is PostgresException { SqlState: PostgresErrorCodes.UndefinedTable } or RedisClusteringException { InnerException: null };

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Sentence}")]
    private partial void LogLost(string sentence);

    [LoggerMessage(Level = LogLevel.Error, Message = "The cluster's store does not answer ({Reason}); what runs goes on, and no node can join meanwhile")]
    private partial void LogAway(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The cluster's store answers again, after {Seconds:F1} s")]
    private partial void LogBack(double seconds);
}
