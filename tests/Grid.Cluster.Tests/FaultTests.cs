using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Workers that live and are of no use: their device hangs, computes wrongly or does not deliver, or their cluster
/// has given them up.</summary>
public sealed class FaultTests(RedisServer redis, PostgresServer postgres, SharedClusters shared, ITestOutputHelper output)
{
    private const string Silent = "has been silent for";

    [Fact]
    public async Task A_device_that_hangs_in_a_live_process_loses_its_sequences_and_is_taken_back_when_it_goes_on()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var gateway = cluster.Gateway;
        var faulty = cluster.Cluster.StartFaultySilo("--watchdog-timeout", "1");
        await gateway.SeesLiveAsync(3);
        var undisturbed = await Completion.UndisturbedAsync(gateway.Client, Completion.Few);
        var gaps = new List<TimeSpan>();
        await faulty.TellAsync("hang after 300");
        var streams = await Completion.BeginAllAsync(gateway.Client, Completion.Few, gaps);
        await faulty.SaysAsync("hangs: a step lasts longer than 1 s");
        await gateway.SeesAsync("live", "live", "stuck");
        Assert.Equal(undisturbed, await Task.WhenAll(streams));
        Assert.True(gateway.Count("and restarts") > 0, $"Nothing ran on the device that hung:\n{gateway.Output}");
        Assert.Equal(["live", "live", "stuck"], await gateway.StatesAsync());
        output.WriteLine($"Longest silence of a stream over a hung device: {gaps.Max().TotalSeconds:F2} s, 1 s of it the watchdog's");

        // New requests do without it; and with it once it goes on.
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Few));
        await faulty.TellAsync("go on");
        await gateway.SeesLiveAsync(3);
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(gateway.Client, Completion.Few));
    }

    [Fact]
    public async Task A_worker_that_computes_wrongly_is_quarantined_for_all_gateways_and_no_client_that_checks_sees_its_tokens()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var other = cluster.Gateway;
        var faulty = cluster.Cluster.StartFaultySilo();
        var checking = cluster.Cluster.StartGateway("--cross-check");
        await checking.SeesLiveAsync(3);
        await other.SeesLiveAsync(3);
        var undisturbed = await Completion.UndisturbedAsync(other.Client, Completion.Few);
        await faulty.TellAsync("corrupt tokens after 300");
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(checking.Client, Completion.Few));
        await checking.SaysAsync("is put in quarantine: in sequence");
        await faulty.SaysAsync("is in quarantine until this node is started anew");
        await checking.SeesAsync("live", "live", "quarantined");
        await other.SeesAsync("live", "live", "quarantined");

        // The gateway that does not check gives it nothing either, nor does one that comes later.
        Assert.Equal(undisturbed, await Completion.StreamAllAsync(other.Client, Completion.Few));
        var late = cluster.Cluster.StartGateway();
        await late.SeesAsync("live", "live", "quarantined");
        Assert.Equal(1, checking.Count("is put in quarantine") + other.Count("is put in quarantine"));
    }

    [Fact]
    public async Task With_hedging_a_stream_goes_on_before_its_hung_worker_is_given_up_with_the_same_bits()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var (plain, silos) = (cluster.Gateway, cluster.Silos);
        var hedging = cluster.Cluster.StartGateway("--hedge-after", "150");
        await hedging.SeesLiveAsync(2);
        var undisturbed = await Completion.UndisturbedAsync(plain.Client, Completion.Few);
        foreach (var (gateway, name) in new[] { (plain, "without"), (hedging, "with") })
        {
            var gaps = new List<TimeSpan>();
            var streams = await Completion.BeginOnAllAsync(gateway, Completion.Few, gaps);
            await silos[1].SignalAsync("STOP");
            Assert.Equal(undisturbed, await Task.WhenAll(streams));
            output.WriteLine($"Longest silence of a stream over a stopped worker {name} hedging: {gaps.Max().TotalSeconds:F2} s");
            await plain.SeesAsync("live", "lost");
            await hedging.SeesAsync("live", "lost");
            await silos[1].SignalAsync("CONT");
            await plain.SeesLiveAsync(2);
            await hedging.SeesLiveAsync(2);
        }

        Assert.Equal(0, plain.Count("delivered first"));
        string log = hedging.Output;
        int first = log.IndexOf("delivered first", StringComparison.Ordinal);
        Assert.True(first >= 0 && first < log.LastIndexOf(Silent, StringComparison.Ordinal), $"The second worker came too late:\n{log}");
    }

    [Fact]
    public async Task A_worker_that_its_cluster_declared_dead_says_so_in_a_sentence_and_ends()
    {
        await using var cluster = await shared.UseAsync("localhost", redis, postgres);
        var hung = cluster.Cluster.StartSilo();
        await cluster.Gateway.SeesLiveAsync(3);
        await hung.SignalAsync("STOP");
        await cluster.Gateway.SaysAsync("left; its workers are gone");
        await hung.SignalAsync("CONT");
        Assert.Equal(1, await hung.EndsAsync());
        Assert.Contains("grid: its cluster has declared this node dead, because it did not answer for too long", hung.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", hung.Output, StringComparison.Ordinal);
    }
}
