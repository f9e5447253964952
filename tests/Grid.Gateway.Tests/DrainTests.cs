using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;

namespace Grid.Gateway.Tests;

/// <summary>A gateway that is asked to stop takes nothing new, lets requests end, and hands over those that do not.</summary>
public sealed class DrainTests
{
    private const string Request = "{\"prompt\":\"x\",\"stream\":true}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_does_not_end_in_time_is_told_to_go_on_elsewhere()
    {
        await using var app = (await GatewayApp.StartAsync(("Gateway:DrainSeconds", "0"))).WithEventIds();
        app.Grid.Script = _ => FakeAnswers.Endless();
        using var stream = new LiveStream(app, "/v1/completions", Request);
        var last = await stream.NextAsync(_ => true);
        var whole = app.SendAsync("/v1/completions", "{\"prompt\":\"y\"}");
        await Until.HoldsAsync(() => app.Grid.Started.Count >= 2, "The second request did not begin.");
        var stopped = app.StopAsync();
        var end = await stream.NextAsync(e => e.Data.Contains("\"error\"", StringComparison.Ordinal));
        Assert.Equal("gateway_draining", (string)end.Json["error"]!["code"]!);
        Assert.Contains($"/v1/sequences/{last.Id!.Split(':')[0]}/events", end.Data, StringComparison.Ordinal);
        Assert.Equal(last.Id, end.Id);
        Assert.Equal(last.Id, (await stream.NextAsync(e => e.Data == "[DONE]")).Id);
        using var refused = await whole;
        Assert.Equal((503, "1"), ((int)refused.StatusCode, refused.Headers.RetryAfter!.ToString()));
        Assert.Contains("gateway_draining", await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        await stopped;
    }

    [Fact]
    public async Task What_ends_in_time_ends_well_while_new_requests_are_refused()
    {
        await using var app = (await GatewayApp.StartAsync()).WithEventIds();
        var release = new TaskCompletionSource();
        app.Grid.Script = spec => Slow(spec, release.Task);
        using var stream = new LiveStream(app, "/v1/completions", Request);
        var first = await stream.NextAsync(_ => true);
        var stopped = app.StopAsync();
        foreach (string? path in new[] { "/readyz", $"/v1/sequences/{first.Id!.Split(':')[0]}/events" })
        {
            using var answer = await app.Client.GetAsync(path, Token);
            Assert.Equal((503, "1"), ((int)answer.StatusCode, answer.Headers.RetryAfter!.ToString()));
        }
        var (status, body) = await app.PostAsync("/v1/completions", Request);
        Assert.Equal((503, "gateway_draining"), (status, (string)body["error"]!["code"]!));
        Assert.Equal(200, (int)(await app.Client.GetAsync("/livez", Token)).StatusCode);
        Assert.False(stopped.IsCompleted);
        release.SetResult();
        var end = await stream.NextAsync(e => e.Data == "[DONE]");
        Assert.EndsWith(":end", end.Id, StringComparison.Ordinal);
        await stopped;

        static async IAsyncEnumerable<SequenceUpdate> Slow(SequenceSpec spec, Task release)
        {
            await foreach (var update in FakeAnswers.Default(spec, [1]))
            {
                yield return update;
                await release;
            }
        }
    }

    /// <summary>More than the server and the kernel hold for a client that does not read: a flush waits for it.</summary>
    [Theory]
    [InlineData("gateway_draining")]
    [InlineData("stream_resumed")]
    public async Task A_client_that_is_far_behind_is_told_why_its_stream_ends(string code)
    {
        await using var app = (await GatewayApp.StartAsync(("Gateway:DrainSeconds", "0"))).WithEventIds();
        var written = new TaskCompletionSource();
        app.Grid.Script = _ => Much(written);
        using var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(app.Client.BaseAddress!.Host, app.Client.BaseAddress.Port, Token);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Event-Ids: true\r\nContent-Type: application/json\r\nContent-Length: {Request.Length}\r\n\r\n{Request}"), Token);
        byte[] head = new byte[2048];
        await stream.ReadExactlyAsync(head, Token);
        await written.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await Task.Delay(500, Token); // For the server to fill what is between it and the client.

        app.Grid.Script = _ => FakeAnswers.Endless();
        string id = Encoding.UTF8.GetString(head).Split("id: ")[1].Split(':')[0];
        using var next = new LiveStream(app, $"/v1/sequences/{id}/events", null);
        var stopped = code == "gateway_draining" ? app.StopAsync() : next.NextAsync(_ => true);
        await Until.HoldsAsync(() => app.Logs.Lines.Any(line => line.Contains(code, StringComparison.Ordinal)), $"Nothing was ended as {code}.");
        using var rest = new MemoryStream();
        await stream.CopyToAsync(rest, Token);
        string text = Encoding.UTF8.GetString(rest.ToArray());
        Assert.True(text.Length > 1 << 17, $"{text.Length} bytes were left to read: nothing waited for the client.");
        Assert.Contains($"\"code\":\"{code}\"", text, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n\r\n0\r\n\r\n", text, StringComparison.Ordinal);
        await stopped;
    }

    /// <summary>32 MiB, and then nothing until the reader leaves.</summary>
    private static async IAsyncEnumerable<SequenceUpdate> Much(
        TaskCompletionSource written, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string text = new string('x', 1 << 15);
        for (int i = 0; i < 1 << 10; i++)
        {
            yield return new SequenceUpdate { Text = text, Tokens = [new('x', 0, [])] };
        }
        written.SetResult();
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }
}
