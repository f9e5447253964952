using System.Text;
using Grid.Gateway.Tests.Fakes;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>A node without others is asked to stop while streams run, whole answers are made and sequences wait, all longer than they may.</summary>
public sealed class LoneNodeDrainTests
{
    [Fact]
    public async Task All_that_does_not_end_in_time_is_told_that_the_gateway_is_draining()
    {
        var token = TestContext.Current.CancellationToken;
        var node = await GridNode.StartAsync(
            new NodeOptions { Port = 0, KvCacheMemory = 256L << 20, MaxRunningRequests = 6, DrainGrace = TimeSpan.FromMilliseconds(100) }, TextWriter.Null, token);
        using var client = new HttpClient { BaseAddress = node.Address, Timeout = TimeSpan.FromMinutes(2), DefaultRequestHeaders = { { "X-Event-Ids", "true" } } };
        using var first = await client.SendAsync(Request(stream: true), HttpCompletionOption.ResponseHeadersRead, token);
        using var reader = new StreamReader(await first.Content.ReadAsStreamAsync(token));
        Assert.StartsWith("id: ", await reader.ReadLineAsync(token), StringComparison.Ordinal);
        var answers = Enumerable.Range(0, 24).Select(i => AskAsync(stream: i % 2 == 0)).ToArray();
        await Until.HoldsAsync(() => node.Workers[0].Load.Running == 6, "The device never was full.");
        await node.DisposeAsync();
        Assert.Contains("/events on another one", await reader.ReadToEndAsync(token), StringComparison.Ordinal); // By the gateway itself: its device has not ended it.
        foreach (var (status, text) in await Task.WhenAll(answers))
        {
            Assert.True(status is 200 or 503, $"{status}");
            Assert.Contains("\"code\":\"gateway_draining\"", text, StringComparison.Ordinal);
        }

        async Task<(int Status, string Text)> AskAsync(bool stream)
        {
            using var answer = await client.SendAsync(Request(stream), token);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(token));
        }

        static HttpRequestMessage Request(bool stream) => new(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent(
                $"{{\"prompt\":\"Once\",\"max_tokens\":2000,\"ignore_eos\":true,\"n\":2,\"stream\":{(stream ? "true" : "false")}}}", Encoding.UTF8, "application/json"),
        };
    }
}
