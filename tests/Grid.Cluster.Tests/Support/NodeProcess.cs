using System.Diagnostics;
using System.Diagnostics.Tracing;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Diagnostics.NETCore.Client;

namespace Grid.Cluster.Tests.Support;

/// <summary>A silo or gateway as its operator starts it: a process with arguments, environment, output and exit code.</summary>
internal sealed partial class NodeProcess : IAsyncDisposable
{
    private readonly string _name;
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly TaskCompletionSource _outputEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _errorEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _before;

    private NodeProcess(string program, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        _name = Path.GetFileNameWithoutExtension(program);
        IsPrimary = arguments.Contains("--silo-port");
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, program), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        // It lives for seconds: what is called a thousand times is not worth compiling once more, nor the cores that takes.
        start.Environment["DOTNET_TC_CallCountThreshold"] = "400";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, line) => Take(line.Data, _outputEnded);
        _process.ErrorDataReceived += (_, line) => Take(line.Data, _errorEnded);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>What it printed so far, both streams; in a shared cluster, since the test began.</summary>
    public string Output
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines.Skip(_before));
            }
        }
    }

    /// <summary>The nodes of its cluster, this one among them: what they printed is told with a failure.</summary>
    public Func<IReadOnlyList<NodeProcess>> Cluster { get; set; } = () => [];

    /// <summary>Whether it holds a cluster's membership in its memory.</summary>
    public bool IsPrimary { get; }

    /// <summary>For a test that does things to nodes: whether nothing has been done to this one that it has not got over.</summary>
    public bool IsWell { get; set; } = true;

    /// <summary>Where it serves HTTP; null until it said so.</summary>
    public Uri? Url { get; private set; }

    /// <summary>Sent with every request; null where it asks for none.</summary>
    public string? Key { get; set; }

    public HttpClient Client => field ??= new HttpClient
    {
        BaseAddress = Url,
        Timeout = Programs.Patience,
        DefaultRequestHeaders = { { "X-Event-Ids", "true" }, { "Authorization", Key is null ? [] : [$"Bearer {Key}"] } },
    };

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _process.HasExited;

    public static NodeProcess Silo(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new("Grid.Silo.dll", environment, ["--port", "0", "--kv-cache-memory", "64MiB", .. arguments]);

    /// <summary>A silo whose device can be told to be faulty (<see cref="TellAsync"/>).</summary>
    public static NodeProcess FaultySilo(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new("Grid.FaultySilo.dll", environment, ["--port", "0", "--kv-cache-memory", "64MiB", .. arguments]);

    public static NodeProcess Gateway(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new("Grid.Gateway.dll", environment, ["--port", "0", .. arguments]);

    /// <summary>Waits until its output holds a text so many times.</summary>
    public Task SaysAsync(string text, int times = 1) => UntilAsync(() => Count(text) >= times, $"said '{text}' {times} times");

    /// <summary>How often its output holds a text.</summary>
    public int Count(string text)
    {
        lock (_lines)
        {
            return _lines.Skip(_before).Count(line => line.Contains(text, StringComparison.Ordinal));
        }
    }

    /// <summary>Leaves out from now on what it printed so far: another test begins.</summary>
    public void BeginTest()
    {
        lock (_lines)
        {
            _before = _lines.Count;
        }
    }

    /// <summary>The workers' states as it tells them (<c>GET /v1/grid</c>), in alphabetical order.</summary>
    public Task<string[]> StatesAsync(CancellationToken cancellationToken = default) =>
        WorkersAsync(worker => (string)worker["state"]!, cancellationToken);

    /// <summary>Waits until the workers it knows are in these states, given in alphabetical order.</summary>
    public Task SeesAsync(params string[] states) => SeesAsync(states, worker => (string)worker["state"]!);

    /// <summary>Waits until the workers it knows are these devices in these states ("cpu:0 live"), given in alphabetical order.</summary>
    public Task SeesDevicesAsync(params string[] states) =>
        SeesAsync(states, worker => $"{((string)worker["id"]!).Split('/')[^1]} {worker["state"]}");

    private async Task SeesAsync(string[] states, Func<JsonNode, string> tell)
    {
        await ServesAsync();
        string[] seen = [];
        using var patience = new CancellationTokenSource(Programs.Patience);
        while (!(seen = await WorkersAsync(tell, CancellationToken.None)).SequenceEqual(states))
        {
            Assert.False(patience.IsCancellationRequested,
                $"It never saw {string.Join(", ", states)}; at last {string.Join(", ", seen)}:\n{Described}\n{DescribeOthers()}");
            await Task.Delay(25, CancellationToken.None);
        }
    }

    private async Task<string[]> WorkersAsync(Func<JsonNode, string> tell, CancellationToken cancellationToken)
    {
        var grid = JsonNode.Parse(await Client.GetStringAsync("/v1/grid", cancellationToken))!;
        return [.. grid["workers"]!.AsArray().Select(worker => tell(worker!)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Whether all workers that it knows are live and run sequences.</summary>
    public async Task<bool> SeesAllAtWorkAsync() =>
        (await WorkersAsync(worker => (string)worker["state"]! == "live" && (int)worker["load"]!["running"]! > 0 ? "at work" : "not", CancellationToken.None))
        .All(worker => worker == "at work");

    /// <summary>Waits until no worker that it knows runs anything, as far as it has been told: what it was told last may be of sequences that have
    /// just ended.</summary>
    public Task SeesAllIdleAsync() => Programs.UntilAsync(
        async () => (await WorkersAsync(worker => $"{worker["load"]!["running"]}", CancellationToken.None)).All(running => running == "0"), "A worker was never idle.");

    /// <summary>Waits until it knows this many workers, all of them live.</summary>
    public Task SeesLiveAsync(int workers) => SeesAsync([.. Enumerable.Repeat("live", workers)]);

    /// <summary>Waits for its end and gives the exit code.</summary>
    public async Task<int> EndsAsync()
    {
        using var patience = new CancellationTokenSource(Programs.Patience);
        await _process.WaitForExitAsync(patience.Token);
        await Task.WhenAll(_outputEnded.Task, _errorEnded.Task);
        return _process.ExitCode;
    }

    /// <summary>Gives an order to a faulty silo, and waits until it holds.</summary>
    public async Task TellAsync(string order)
    {
        int before = Count($"Obeyed: {order}");
        await _process.StandardInput.WriteLineAsync(order);
        await _process.StandardInput.FlushAsync();
        await SaysAsync($"Obeyed: {order}", before + 1);
    }

    /// <summary>Waits for its end, but not longer than this; false when it is still there.</summary>
    public async Task<bool> EndsWithinAsync(TimeSpan time)
    {
        using var patience = new CancellationTokenSource(time);
        await _process.WaitForExitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _process.HasExited;
    }

    /// <summary>Waits until it serves HTTP.</summary>
    public Task ServesAsync() => UntilAsync(() => Url is not null, "said where it serves HTTP");

    /// <summary>Resets every TCP connection that it has, with the kernel's help.</summary>
    public async Task CutConnectionsAsync()
    {
        string sockets = await Programs.OutputAsync("ss", "-tnpH", "state", "established");
        foreach (string line in sockets.Split('\n').Where(line => line.Contains($"pid={_process.Id},", StringComparison.Ordinal)))
        {
            string[] columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            await Programs.OutputAsync("ss", "-K", "src", columns[2], "dst", columns[3]);
        }
    }

    /// <summary>Memory of the process that is in use now, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Has it collect its garbage: what it has in use then is what something holds.</summary>
    public async Task CollectAsync()
    {
        const long Collect = 0x800000; // GCHeapCollect: a session that listens for it begins with a collection of all generations.
        var client = new DiagnosticsClient(_process.Id);
        using var session = await client.StartEventPipeSessionAsync(
            [new EventPipeProvider("Microsoft-Windows-DotNETRuntime", EventLevel.Informational, Collect)], requestRundown: false, 1, CancellationToken.None);
        var read = session.EventStream.CopyToAsync(Stream.Null);
        await session.StopAsync(CancellationToken.None);
        await read;
    }

    /// <summary>kill -9.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Sends it a signal ("STOP", "CONT", "TERM").</summary>
    public Task SignalAsync(string signal) => Programs.RunAsync("kill", $"-{signal}", $"{_process.Id}");

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private string Described => $"[{_name}, {(_process.HasExited ? $"ended with {_process.ExitCode}" : "running")}]\n{Output}";

    private string DescribeOthers() => string.Join('\n', Cluster().Where(node => node != this).Select(node => node.Described));

    /// <summary>Waits until something holds that can only come to hold when it prints a line.</summary>
    private async Task UntilAsync(Func<bool> holds, string what)
    {
        using var patience = new CancellationTokenSource(Programs.Patience);
        while (true)
        {
            var more = Volatile.Read(ref _more);
            if (holds())
            {
                return;
            }

            if (patience.IsCancellationRequested || _process.HasExited)
            {
                Assert.Fail($"It never {what}:\n{Described}\n{DescribeOthers()}");
            }

            await Task.WhenAny(more.Task, Task.Delay(500, CancellationToken.None));
        }
    }

    private void Take(string? line, TaskCompletionSource ended)
    {
        if (line is null)
        {
            ended.TrySetResult();
            return;
        }

        lock (_lines)
        {
            _lines.Add(line);
        }

        if (UrlPattern().Match(line) is { Success: true } match)
        {
            Url = new Uri(match.Groups[1].Value);
        }

        Interlocked.Exchange(ref _more, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    [GeneratedRegex(@"^(?:Ready: |Gateway on )(http://[^\s/]+)")]
    private static partial Regex UrlPattern();
}
