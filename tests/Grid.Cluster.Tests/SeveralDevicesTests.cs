using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Silos with two devices each.</summary>
public sealed class SeveralDevicesTests(RedisServer redis, PostgresServer postgres, SharedClusters shared)
{
    [Fact]
    public async Task All_workers_of_a_node_with_several_devices_serve_and_leave_with_it()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var gateway = cluster.Gateway;
        var leaves = cluster.Cluster.StartSilo("--device", "cpu,cpu", "--drain-seconds", "0", "--log-level", "info");
        await gateway.SeesLiveAsync(4);
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client);

        var begun = Completion.Mixed.Select(_ => new TaskCompletionSource()).ToArray();
        var streams = Completion.Mixed.Select((request, i) => Completion.StreamAsync(gateway.Client, request, begun[i])).ToArray();
        await Task.WhenAll(begun.Select(first => first.Task)).WaitAsync(Programs.Patience);
        await leaves.SignalAsync("TERM");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));

        // Eight streams over four workers: both of those that left had some, and all of them moved.
        Assert.Contains("/cpu:0 in epoch 0 and restarts", gateway.Output, StringComparison.Ordinal);
        Assert.Contains("/cpu:1 in epoch 0 and restarts", gateway.Output, StringComparison.Ordinal);
        Assert.Equal(0, await leaves.EndsAsync());
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Mixed));
        Assert.All(cluster.Silos, stays => Assert.DoesNotContain("failed", stays.Output, StringComparison.Ordinal));
    }
}
