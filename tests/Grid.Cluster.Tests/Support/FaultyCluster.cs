using System.Diagnostics;

namespace Grid.Cluster.Tests.Support;

/// <summary>What happens to a node.</summary>
internal enum Fault
{
    /// <summary>kill -9; another takes its place.</summary>
    Kill,

    /// <summary>SIGTERM; another takes its place.</summary>
    Terminate,

    /// <summary>SIGSTOP for some seconds.</summary>
    Hang,

    /// <summary>Its connections are reset, those of clients and those to other nodes.</summary>
    Cut,
}

/// <summary>One fault that was done.</summary>
internal sealed record DoneFault(string Node, Fault Fault, long Moment);

/// <summary>Workers and gateways to which things happen, one at a time, at random: never to the last gateway that is well nor to
/// the last two workers, which cross-checking takes, and not again to one that has not come back.</summary>
/// <param name="cluster">Where they are.</param>
/// <param name="seed">Which faults, and to whom.</param>
/// <param name="options">Options of every node.</param>
internal sealed class FaultyCluster(TestCluster cluster, int seed, params string[] options)
{
    private static readonly TimeSpan s_longestHang = TimeSpan.FromSeconds(4);
    private static readonly Fault[] s_faults = Enum.GetValues<Fault>();

    private readonly Random _random = new(seed);
    private readonly List<NodeProcess> _workers = [];
    private readonly List<NodeProcess> _gateways = [];
    private readonly List<Task> _recoveries = [];
    private readonly HashSet<NodeProcess> _spared = [];

    /// <summary>How long a node that is asked to leave waits for its streams; the others move.</summary>
    public string DrainSeconds { get; init; } = "1";

    /// <summary>The gateways that a client may try: those that have not been ended.</summary>
    public NodeProcess[] Gateways
    {
        get
        {
            lock (_gateways)
            {
                return [.. _gateways];
            }
        }
    }

    /// <summary>What was done, in order.</summary>
    public List<DoneFault> Done { get; } = [];

    /// <summary>The workers there are.</summary>
    public NodeProcess[] Workers
    {
        get
        {
            lock (_gateways)
            {
                return [.. _workers];
            }
        }
    }

    /// <summary>From now on nothing happens to these but that they lose their connections.</summary>
    public void Spare(params NodeProcess[] nodes) => _spared.UnionWith(nodes);

    /// <summary>Starts the nodes and waits until each gateway knows each worker.</summary>
    public async Task StartAsync(int workers, int gateways)
    {
        _workers.AddRange(Enumerable.Range(0, workers).Select(_ => StartWorker()));
        _gateways.AddRange(Enumerable.Range(0, gateways).Select(_ => StartGateway()));
        await Task.WhenAll(_gateways.Select(gateway => gateway.SeesLiveAsync(workers)));
    }

    /// <summary>Does one fault to a node that is well; its recovery goes on meanwhile. False when none may be done now.</summary>
    public async Task<bool> TryFaultAsync()
    {
        bool worker = _random.Next(5) < 3;
        var nodes = worker ? _workers : _gateways;
        NodeProcess[] well;
        lock (_gateways)
        {
            well = [.. nodes.Where(node => node.IsWell)];
        }

        if (well.Length <= (worker ? 2 : 1))
        {
            return false;
        }

        var node = well[_random.Next(well.Length)];
        var fault = _spared.Contains(node) ? Fault.Cut : s_faults[_random.Next(s_faults.Length)];
        node.IsWell = false;
        Done.Add(new DoneFault(worker ? "worker" : "gateway", fault, Stopwatch.GetTimestamp()));
        var hang = s_longestHang * _random.NextDouble();
        switch (fault)
        {
            case Fault.Kill:
                node.Kill();
                _recoveries.Add(ReplaceAsync(node, worker));
                break;
            case Fault.Terminate:
                await node.SignalAsync("TERM");
                _recoveries.Add(ReplaceAsync(node, worker));
                break;
            case Fault.Hang:
                await node.SignalAsync("STOP");
                _recoveries.Add(WakeAsync(node, worker, hang));
                break;
            default:
                await node.CutConnectionsAsync();
                node.IsWell = true;
                break;
        }

        return true;
    }

    /// <summary>Kills a worker that is well; the rest goes on as it was until <see cref="RecoverAsync"/>.</summary>
    public void KillWorker()
    {
        NodeProcess node;
        lock (_gateways)
        {
            node = _workers.First(worker => worker.IsWell);
        }

        node.IsWell = false;
        Done.Add(new DoneFault("worker", Fault.Kill, Stopwatch.GetTimestamp()));
        node.Kill();
        _recoveries.Add(ReplaceAsync(node, worker: true));
    }

    /// <summary>Asks each node to leave and starts another in its place, one after the other, the workers first.</summary>
    public async Task RestartAllAsync()
    {
        foreach (var node in (NodeProcess[])[.. Workers, .. Gateways])
        {
            await node.SignalAsync("TERM");
            await ReplaceAsync(node, worker: Workers.Contains(node));
            await Task.WhenAll(Gateways.Select(gateway => gateway.SeesLiveAsync(Workers.Length)));
        }
    }

    /// <summary>Starts another worker, and waits until the gateways know it.</summary>
    public async Task AddWorkerAsync()
    {
        var worker = StartWorker();
        await worker.ServesAsync();
        lock (_gateways)
        {
            _workers.Add(worker);
        }

        await Task.WhenAll(Gateways.Select(gateway => gateway.SeesLiveAsync(Workers.Length)));
    }

    /// <summary>Asks a worker to leave, and waits until it has.</summary>
    public async Task RemoveWorkerAsync()
    {
        NodeProcess node;
        lock (_gateways)
        {
            node = _workers[0];
            _workers.RemoveAt(0);
        }

        await node.SignalAsync("TERM");
        Assert.Equal(0, await node.EndsAsync());
        await Task.WhenAll(Gateways.Select(gateway => gateway.SeesLiveAsync(Workers.Length)));
    }

    /// <summary>Waits until every node is back.</summary>
    public Task RecoverAsync() => Task.WhenAll(_recoveries);

    private NodeProcess StartWorker() => cluster.StartSilo(
        ["--drain-seconds", DrainSeconds, "--max-running-requests", "64", .. options]);

    private NodeProcess StartGateway() => cluster.StartGateway(["--drain-seconds", DrainSeconds, .. options]);

    private async Task WakeAsync(NodeProcess node, bool worker, TimeSpan hang)
    {
        await Task.Delay(hang); // The fault itself.
        await node.SignalAsync("CONT");

        // One that the others had given up ends, as it should; its place is taken.
        if (await node.EndsWithinAsync(TimeSpan.FromSeconds(8)))
        {
            await ReplaceAsync(node, worker);
            return;
        }

        node.IsWell = true;
    }

    private async Task ReplaceAsync(NodeProcess node, bool worker)
    {
        if (!worker)
        {
            lock (_gateways)
            {
                _gateways.Remove(node);
            }
        }

        await node.EndsAsync();
        var next = worker ? StartWorker() : StartGateway();
        next.IsWell = false;
        await next.ServesAsync();
        lock (_gateways)
        {
            (worker ? _workers : _gateways).Remove(node);
            (worker ? _workers : _gateways).Add(next);
            next.IsWell = true;
        }
    }
}
