using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Node;
using Grid.Gateway.Tests.Fakes;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Options;
using Microsoft.Extensions.DependencyInjection;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>The gateway as a process of its own, joined to the node's silo.</summary>
public sealed class GatewayProcessTests(NodeFixture node)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = 60_000)]
    public async Task It_answers_with_the_bits_of_the_node_it_joined_and_its_sudden_death_fails_nothing_there()
    {
        var token = TestContext.Current.CancellationToken;
        const string Request = "{\"text\":[\"The dog\",\"Once\"],\"sampling_params\":{\"sampling_seed\":8,\"max_new_tokens\":20},\"return_logprob\":true}";
        var expected = (await node.OkAsync("/generate", Request)).AsArray().Select(item => NodeFixture.Bits(item!));

        var primary = node.Node.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress.Endpoint;
        using var process = Start("--port", "0", "--primary", primary.ToString());
        try
        {
            process.BeginErrorReadLine();
            string? line = await process.StandardOutput.ReadLineAsync(token);
            Assert.StartsWith("Gateway on http://", line, StringComparison.Ordinal);
            using var client = new HttpClient { BaseAddress = new Uri(line!.Split(' ')[2]) };
            await Until.HoldsAsync(async () => (await client.GetAsync("/readyz", token)).IsSuccessStatusCode, "It never was ready.");
            using var response = await client.PostAsync("/generate", new StringContent(Request, Encoding.UTF8, "application/json"), token);
            var items = JsonNode.Parse(await response.Content.ReadAsStringAsync(token))!;
            Assert.Equal(expected, items.AsArray().Select(item => NodeFixture.Bits(item!)));
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        // Long before the cluster's membership has noticed: no sequence of the node depends on a silo that is gone.
        for (int i = 0; i < 20; i++)
        {
            await node.OkAsync("/generate", "{\"text\":\"The dog\",\"sampling_params\":{\"max_new_tokens\":1}}");
        }
    }

    [Theory]
    [InlineData("--prot", "8000", "--prot is not an option of the gateway; did you mean --port?")]
    [InlineData("--port", "http", "--port is 'http'; it must be a whole number from 0 to 65535")]
    [InlineData("--primary", "localhost", "--primary is 'localhost'; it must be an IP address with a port")]
    [InlineData("--cluster", "etcd", "--cluster is 'etcd'; it must be localhost, redis or postgres")]
    [InlineData("--Gateway:MaxJsonDepth", "0", "--Gateway:MaxJsonDepth is '0'; it must be a whole number from 8 to 256")]
    [InlineData("--Gateway:QueueSze", "4", "--Gateway:QueueSze is not an option of the gateway; did you mean --Gateway:QueueSize?")]
    [InlineData("--gateway-port", "4", "--gateway-port is not an option of the gateway")]
    public async Task A_bad_option_ends_it_with_a_sentence(string option, string value, string sentence)
    {
        using var process = Start(option, value);
        string error = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.Equal(2, process.ExitCode);
    }

    [Fact]
    public async Task A_silo_refuses_a_grace_time_of_its_HTTP_face_alone()
    {
        var refused = await Assert.ThrowsAsync<StartException>(() => GridNode.StartAsync(
            new NodeOptions { Port = 0, KvCacheMemory = 64L << 20, Gateway = { DrainGrace = TimeSpan.FromSeconds(5) } }, TextWriter.Null, Token));
        Assert.Equal(StartException.Usage, refused.ExitCode);
        Assert.StartsWith("Gateway:DrainSeconds is 5, but", refused.Message, StringComparison.Ordinal);
        Assert.EndsWith("give it as --drain-seconds.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_output_that_takes_nothing_stops_nothing()
    {
        using var full = new FullDisk();
        GatewayNode.Say(full, "Ready: workers serve demo.");
        Assert.Equal(1, full.Refused);
    }

    private static Process Start(params string[] args)
    {
        string assembly = Path.Combine(AppContext.BaseDirectory, Path.GetFileName(typeof(GatewayNode).Assembly.Location));
        return Process.Start(new ProcessStartInfo("dotnet", [assembly, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    /// <summary>Fails for whatever is written.</summary>
    private sealed class FullDisk : StringWriter
    {
        public int Refused { get; private set; }

        public override void WriteLine(string? value)
        {
            Refused++;
            throw new IOException("No space left on device");
        }
    }
}
