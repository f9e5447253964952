using System.Text;
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
        using var client = new HttpClient { BaseAddress = node.Address, Timeout = TimeSpan.FromMinutes(2) };
        var answers = Enumerable.Range(0, 24).Select(i => AskAsync(stream: i % 2 == 0)).ToArray();
        while (node.Workers[0].Load.Running < 6)
        {
            await Task.Delay(20, token);
        }
        await node.DisposeAsync();
        foreach (var (status, text) in await Task.WhenAll(answers))
        {
            Assert.True(status is 200 or 503, $"{status}");
            Assert.Contains("\"code\":\"gateway_draining\"", text, StringComparison.Ordinal);
        }

        async Task<(int Status, string Text)> AskAsync(bool stream)
        {
            string body = $"{{\"prompt\":\"Once\",\"max_tokens\":2000,\"ignore_eos\":true,\"n\":2,\"stream\":{(stream ? "true" : "false")}}}";
            using var answer = await client.PostAsync("/v1/completions", new StringContent(body, Encoding.UTF8, "application/json"), token);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(token));
        }
    }
}
