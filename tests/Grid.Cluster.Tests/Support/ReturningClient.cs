using System.Diagnostics;
using System.Text;
using Grid.Tests.Streams;

namespace Grid.Cluster.Tests.Support;

/// <summary>
/// A client that does not give up: it reads a stream from one gateway, and when that breaks off, is ended by its gateway or says
/// nothing for a while, goes on at another with the id of the last event it has. An answer that is no stream it asks for again.
/// Where it has no id yet, it can only ask anew, for all of it. It counts nothing itself, and takes no other error than a gateway's that is leaving, or has lost the stream to another
/// connection: whatever happens to its worker, a sequence does not fail.
/// </summary>
/// <param name="gateways">The gateways there are at the moment.</param>
internal sealed class ReturningClient(Func<NodeProcess[]> gateways)
{
    /// <summary>A gateway that is this long without an event is left: longer than one hangs here, and longer than a busy machine
    /// takes to compute the known part of many streams once more.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(20);

    /// <summary>The same for an answer that is no stream: all of it is one event.</summary>
    private static readonly TimeSpan s_wholeSilence = 3 * s_silence;

    /// <summary>Why a gateway may end a stream that it has begun.</summary>
    private static readonly string[] s_ends = ["gateway_draining", "stream_resumed"];

    private int _turn;
    private int _returns;
    private int _anew;

    /// <summary>How often streams went on elsewhere.</summary>
    public int Returns => _returns;

    /// <summary>How often a stream that had begun was asked for anew, because its events had no ids.</summary>
    public int Anew => _anew;

    /// <summary>Why one did, the last time.</summary>
    public string Trouble { get; private set; } = "";

    /// <summary>Reads a request's stream to its end, or its answer.</summary>
    public async Task<Reading> ReadAsync(string path, string json)
    {
        var reading = new Reading(json);
        var patience = Stopwatch.StartNew();
        while (!reading.IsComplete)
        {
            Assert.True(patience.Elapsed < 4 * Programs.Patience, $"No end came, after {reading.Events.Count} events; the last trouble was: {reading.Trouble}");
            var there = gateways();
            if (there.Length == 0 || !await TryReadAsync(there[Interlocked.Increment(ref _turn) % there.Length], path, json, reading))
            {
                Trouble = reading.Trouble;
                reading.Returns.Add(Stopwatch.GetTimestamp());
                Interlocked.Increment(ref _returns);
                if (reading.Events.Count > 0 && reading.Events[^1].Id is null)
                {
                    Interlocked.Increment(ref _anew);
                    reading.StartAnew();
                }

                await Task.Delay(100);
            }
        }

        return reading;
    }

    private static async Task<bool> TryReadAsync(NodeProcess gateway, string path, string json, Reading reading)
    {
        string? last = reading.Events.LastOrDefault()?.Id;
        using var request = last is null
            ? new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") }
            : new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{last.Split(':')[0]}/events") { Headers = { { "Last-Event-ID", last } } };
        using var left = new CancellationTokenSource();
        try
        {
            left.CancelAfter(json.Contains("\"stream\":true", StringComparison.Ordinal) ? s_silence : s_wholeSilence);
            using var response = await gateway.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, left.Token);
            if (!response.IsSuccessStatusCode)
            {
                string body = await response.Content.ReadAsStringAsync(left.Token);
                Assert.True((int)response.StatusCode is 429 or 503, $"{(int)response.StatusCode} {body}\n{path} {json}\n{gateway.Output}");
                reading.Trouble = body;
                return false;
            }

            if (response.Content.Headers.ContentType?.MediaType != "text/event-stream")
            {
                reading.Add(new ServerSentEvent(null, await response.Content.ReadAsStringAsync(left.Token)));
                reading.Add(new ServerSentEvent(null, "[DONE]"));
                return true;
            }

            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(left.Token));
            while (await NextAsync(reader, left.Token) is { } item)
            {
                if (item.Data != "[DONE]" && item.Json["error"] is { } error)
                {
                    Assert.True(s_ends.Contains((string?)error["code"]), $"A stream failed: {error.ToJsonString()}\n{path} {json}\n{gateway.Output}");
                    reading.Trouble = error.ToJsonString();
                    return false;
                }

                reading.Add(item);
                left.CancelAfter(s_silence);
            }

            return reading.IsComplete;
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or OperationCanceledException)
        {
            reading.Trouble = exception.Message;
            return false;
        }
    }

    private static async Task<ServerSentEvent?> NextAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        string lines = "";
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
            {
                return ServerSentEvent.Read(lines);
            }

            lines = lines.Length == 0 ? line : $"{lines}\n{line}";
        }

        return null;
    }
}

/// <summary>The events of a stream that came whole, in order, with the time of each.</summary>
/// <param name="request">The request.</param>
internal sealed class Reading(string request)
{
    public List<ServerSentEvent> Events { get; } = [];

    /// <summary>What was asked for.</summary>
    public string Request => request;

    /// <summary>Stopwatch ticks, by event.</summary>
    public List<long> Times { get; } = [];

    /// <summary>Stopwatch ticks of when a gateway was left.</summary>
    public List<long> Returns { get; } = [];

    /// <summary>Why the last gateway was left.</summary>
    public string Trouble { get; set; } = "";

    public bool IsComplete => Events.Count > 0 && Events[^1].Data == "[DONE]";

    /// <summary>Forgets what came.</summary>
    public void StartAnew()
    {
        Events.Clear();
        Times.Clear();
    }

    /// <summary>All that was told, put together.</summary>
    public string Told => new Told().Take(Events).ToString();

    public void Add(ServerSentEvent item)
    {
        Times.Add(Stopwatch.GetTimestamp());
        Events.Add(item);
    }

    /// <summary>Events that came longer than this after the one before them.</summary>
    public IEnumerable<int> LongGaps(TimeSpan longer) =>
        Enumerable.Range(1, Math.Max(0, Times.Count - 1)).Where(i => Stopwatch.GetElapsedTime(Times[i - 1], Times[i]) > longer);

    /// <summary>The wait between two events that a moment fell into, and whether the stream's gateway was left meanwhile; null when the
    /// moment was before the first event or after the last.</summary>
    public (TimeSpan Length, bool Returned)? GapAt(long moment)
    {
        int next = Times.FindIndex(time => time > moment);
        return next <= 0 ? null
            : (Stopwatch.GetElapsedTime(Times[next - 1], Times[next]), Returns.Exists(time => time > Times[next - 1] && time < Times[next]));
    }
}
