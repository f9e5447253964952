using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Grid.Models.Tests.Hub;

/// <summary>What a client sent.</summary>
public sealed record Asked(string Method, string Path, string Query, IReadOnlyDictionary<string, string> Headers)
{
    public string? Header(string name) => Headers.GetValueOrDefault(name);

    /// <summary>Where "Range: bytes=N-" begins; 0 without one.</summary>
    public int RangeStart => Header("Range") is { } range ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture) : 0;
}

/// <summary>What the server sends, truthfully or not.</summary>
public sealed record Reply(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; init; } = [];

    /// <summary>Content-Length, when it is not the body's; null sends chunks.</summary>
    public long? Length { get; init; } = Body.Length;

    /// <summary>Bytes of the body after which the connection is reset.</summary>
    public int? BreakAfter { get; init; }

    /// <summary>Bytes of the body after which nothing comes any more.</summary>
    public int? StallAfter { get; init; }

    public Reply With(string name, string value)
    {
        Headers[name] = value;
        return this;
    }
}

/// <summary>A web server on a real socket that can do everything wrong. One request per connection.</summary>
public sealed class LoopbackServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Func<Asked, Reply> _answer;
    private readonly Task _accepting;

    public LoopbackServer(Func<Asked, Reply> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");

    public ConcurrentQueue<Asked> Requests { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                open.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                var asked = await ReadAsync(stream);
                Requests.Enqueue(asked);
                await WriteAsync(client, stream, asked, _answer(asked));
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
            {
                // The client went away, which is its right.
            }
        }
    }

    private async Task WriteAsync(TcpClient client, NetworkStream stream, Asked asked, Reply reply)
    {
        var head = new StringBuilder($"HTTP/1.1 {reply.Status} X\r\nConnection: close\r\n");
        foreach ((string name, string value) in reply.Headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        head.Append(reply.Length is { } length ? $"Content-Length: {length}\r\n\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.ToString()), _end.Token);
        if (asked.Method == "HEAD")
        {
            return;
        }

        byte[] body = reply.Body[..(reply.BreakAfter ?? reply.StallAfter ?? reply.Body.Length)];
        if (reply.Length is null && body.Length > 0)
        {
            body = [.. Encoding.ASCII.GetBytes($"{body.Length:x}\r\n"), .. body, .. "\r\n"u8];
        }

        await stream.WriteAsync(body, _end.Token);
        if (reply.StallAfter is not null)
        {
            _ = await stream.ReadAsync(new byte[1].AsMemory(), _end.Token); // Until the client closes.
        }
        else if (reply.BreakAfter is not null)
        {
            client.Client.Shutdown(SocketShutdown.Send);
        }
        else if (reply.Length is null)
        {
            await stream.WriteAsync("0\r\n\r\n"u8.ToArray(), _end.Token);
        }
    }

    private async Task<Asked> ReadAsync(NetworkStream stream)
    {
        var text = new StringBuilder();
        byte[] one = new byte[1];
        while (!text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, _end.Token) == 0)
            {
                throw new IOException();
            }

            text.Append((char)one[0]);
        }

        string[] lines = text.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] start = lines[0].Split(' ');
        string[] target = start[1].Split('?', 2);
        var headers = lines[1..].Select(line => line.Split(": ", 2)).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase);
        return new Asked(start[0], Uri.UnescapeDataString(target[0]), target.Length > 1 ? target[1] : "", headers);
    }
}
