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
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client, Completion.Long);

        await gateway.SeesAllIdleAsync();
        var streams = await Completion.BeginOnAllAsync(gateway, Completion.Long, []);
        await leaves.SignalAsync("TERM");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));

        // Eight streams over four workers: both of those that left had some, and all of them moved.
        Assert.Contains("/cpu:0 in epoch 0 and restarts", gateway.Output, StringComparison.Ordinal);
        Assert.Contains("/cpu:1 in epoch 0 and restarts", gateway.Output, StringComparison.Ordinal);
        Assert.Equal(0, await leaves.EndsAsync());
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Long));
        // Nothing of Grid failed there; Orleans may have missed a probe.
        Assert.All(cluster.Silos, stays => Assert.Equal(0, stays.Count(" fail: Grid.") + stays.Count(" crit: Grid.")));
    }

    [Fact]
    public async Task What_hangs_or_fails_on_one_device_of_a_node_goes_on_at_the_other_with_the_same_bits_and_the_node_lives_on()
    {
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres);
        // Not shorter: on a machine that is busy otherwise a real step may last seconds.
        var node = cluster.StartFaultySilo("--device", "cpu,cpu", "--watchdog-timeout", "5", "--log-level", "info");
        await node.ServesAsync();
        var undisturbed = await Completion.UndisturbedAsync(node.Client, Completion.Few);

        await node.TellAsync("hang after 300 on cpu:0");
        Assert.Equal(undisturbed, await Task.WhenAll(await Completion.BeginAllAsync(node.Client, Completion.Few, [])));
        Assert.Contains("/cpu:0 in epoch 0 and restarts", node.Output, StringComparison.Ordinal);
        await node.SeesDevicesAsync("cpu:0 stuck", "cpu:1 live");
        await node.TellAsync("go on on cpu:0");
        await node.SeesDevicesAsync("cpu:0 live", "cpu:1 live");

        await node.TellAsync("fail after 300 on cpu:1");
        Assert.Equal(undisturbed, await Task.WhenAll(await Completion.BeginAllAsync(node.Client, Completion.Few, [])));
        Assert.Contains("/cpu:1 in epoch 0 and restarts", node.Output, StringComparison.Ordinal);
        await node.SeesDevicesAsync("cpu:0 live", "cpu:1 failed");
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(node.Client, Completion.Few));
        await node.SignalAsync("TERM");
        Assert.Equal(0, await node.EndsAsync());
    }

    [Fact]
    public async Task A_device_that_computes_wrongly_is_quarantined_alone_and_its_node_serves_on()
    {
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres);
        var node = cluster.StartFaultySilo("--device", "cpu,cpu,cpu", "--cross-check");
        await node.ServesAsync();
        var undisturbed = await Completion.UndisturbedAsync(node.Client, Completion.Few);
        await node.TellAsync("corrupt logprobs after 100 on cpu:2");
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(node.Client, Completion.Few));
        await node.SeesDevicesAsync("cpu:0 live", "cpu:1 live", "cpu:2 quarantined");
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(node.Client, Completion.Few));
    }
}
