using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Workers that hang, wake up again or are asked to leave, while sequences run on them.</summary>
public sealed class FailoverTests(RedisServer redis, PostgresServer postgres, SharedClusters shared, ITestOutputHelper output)
{
    private const string Silent = "has been silent for";
    private const string Restarted = "and restarts";
    private const string NoticedByTheCluster = "left; its workers are gone";

    [Fact]
    public async Task A_worker_that_hangs_loses_its_sequences_to_another_and_what_it_says_later_counts_for_nothing()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var (gateway, silos) = (cluster.Gateway, cluster.Silos);
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);

        // Stopped with tokens on their way, and woken while the same sequences run elsewhere under the next epoch.
        var gaps = new List<TimeSpan>();
        var streams = await Completion.BeginOnAllAsync(gateway, Completion.Mixed, gaps);
        await silos[1].SignalAsync("STOP");
        await gateway.SaysAsync(Restarted);
        AssertFoundBySilence(gateway, 1);
        await silos[1].SignalAsync("CONT");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        output.WriteLine($"Longest silence of a stream over a hung worker: {gaps.Max().TotalSeconds:F2} s");

        // It is taken up again, and serves as before.
        await gateway.SeesLiveAsync(2);
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Mixed));

        // Stopped between requests: those that are sent there meanwhile wait no longer than it is silent.
        await silos[1].SignalAsync("STOP");
        streams = await Completion.BeginAllAsync(gateway.Client, Completion.Mixed, gaps);
        AssertFoundBySilence(gateway, 2);
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        await silos[1].SignalAsync("CONT");
    }

    [Fact]
    public async Task A_gateway_that_was_held_up_does_not_take_the_gap_for_its_workers_silence()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var gateway = cluster.Gateway;
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);
        var streams = await Completion.BeginAllAsync(gateway.Client, Completion.Mixed, []);
        await gateway.SignalAsync("STOP");
        await Task.Delay(TimeSpan.FromSeconds(2)); // The fault itself: twice the silence that a worker is given up for.
        await gateway.SignalAsync("CONT");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        Assert.Equal((0, 0), (gateway.Count(Silent), gateway.Count(Restarted)));
    }

    [Fact]
    public async Task A_request_that_comes_while_all_workers_are_held_up_waits_for_one()
    {
        await using var cluster = await shared.UseAsync("redis", redis, postgres);
        var (gateway, silos) = (cluster.Gateway, cluster.Silos);
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);
        await Task.WhenAll(silos.Select(silo => silo.SignalAsync("STOP")));
        await gateway.SeesAsync("lost", "lost");
        var streams = Completion.Mixed.Select(request => Completion.StreamAsync(gateway.Client, request)).ToArray();
        await Task.WhenAll(silos.Select(silo => silo.SignalAsync("CONT")));
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
    }

    [Fact]
    public async Task A_worker_that_is_asked_to_leave_moves_what_does_not_end_in_time_and_ends_well()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var gateway = cluster.Gateway;
        var leaving = cluster.Cluster.StartSilo("--drain-seconds", "0");
        await gateway.SeesLiveAsync(3);
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);
        var streams = await Completion.BeginOnAllAsync(gateway, Completion.Mixed, []);
        await leaving.SignalAsync("TERM");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        Assert.True(gateway.Count(Restarted) > 0, $"Nothing had to move:\n{gateway.Output}");
        Assert.Equal(0, await leaving.EndsAsync());
        Assert.Equal(0, gateway.Count(Silent)); // It said goodbye.
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Mixed));
    }

    /// <summary>By the gateway itself, and not because the cluster had declared the worker dead.</summary>
    private static void AssertFoundBySilence(NodeProcess gateway, int times)
    {
        Assert.True(gateway.Count(Silent) >= times, gateway.Output);
        Assert.Equal(0, gateway.Count(NoticedByTheCluster));
    }
}
