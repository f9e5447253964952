using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grid.Grains.Tests.Support;

namespace Grid.Grains.Tests;

/// <summary>A process ends cleanly at whatever moment it is asked to: no trace, no code but 0, or 130 for Ctrl+C.</summary>
public sealed class SignalTests
{
    [Theory]
    [InlineData("TERM", "Grid ")]
    [InlineData("INT", "Grid ")]
    [InlineData("TERM", "Device")]
    [InlineData("INT", "Model")]
    [InlineData("TERM", "Cache")]
    [InlineData("INT", "Cluster")]
    [InlineData("TERM", "Cluster")]
    [InlineData("INT", "Ready")]
    [InlineData("TERM", "Ready")]
    public async Task A_signal_ends_a_silo_at_any_moment_of_its_start(string signal, string line) =>
        await EndsCleanlyAsync(signal, line, "Grid.Silo.dll", "--port", "0", "--kv-cache-memory", "32MiB");

    [Fact]
    public async Task A_signal_ends_a_gateway_that_waits_for_its_cluster()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        int port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        await EndsCleanlyAsync("TERM", "Waiting for the silo", "Grid.Gateway.dll", "--port", "0", "--primary", $"127.0.0.1:{port}");
        await EndsCleanlyAsync("INT", "Waiting for the silo", "Grid.Gateway.dll", "--port", "0", "--primary", $"127.0.0.1:{port}");
    }

    [Fact]
    public async Task A_second_signal_ends_a_drain_at_once_and_says_so()
    {
        using var silo = NodeProgram.Start("Grid.Silo.dll", "--port", "0", "--kv-cache-memory", "32MiB", "--drain-seconds", "3600");
        string url = (await NodeProgram.ReadToAsync(silo, "Ready: "))["Ready: ".Length..];
        using var client = new HttpClient { BaseAddress = new Uri(url), Timeout = TestGrid.Patience };

        // As much as takes minutes.
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent("""{"prompt":"Once","stream":true,"n":128,"max_tokens":1900,"ignore_eos":true}""", Encoding.UTF8, "application/json"),
        };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        await reader.ReadLineAsync();
        await NodeProgram.SignalAsync(silo, "TERM");
        await NodeProgram.ReadToAsync(silo, "Stopping: what runs may end within 3600 s; a second signal ends it now.");
        await NodeProgram.SignalAsync(silo, "TERM");
        string rest = await reader.ReadToEndAsync();
        Assert.Contains("gateway_draining", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]", rest.TrimEnd(), StringComparison.Ordinal);
        string error = await EndAsync(silo, [0]);
        Assert.StartsWith("grid: asked to stop again: what still runs is ended now.", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private static async Task EndsCleanlyAsync(string signal, string line, string program, params string[] arguments)
    {
        using var process = NodeProgram.Start(program, arguments);
        await NodeProgram.ReadToAsync(process, line);
        await NodeProgram.SignalAsync(process, signal);
        string error = await EndAsync(process, signal == "INT" ? [0, 130] : [0]); // 0 where the start was over before the signal came.
        Assert.Matches("^((grid|gateway): stopped before it was ready\\.)?\\s*$", error);
    }

    private static async Task<string> EndAsync(Process process, int[] codes)
    {
        var output = process.StandardOutput.ReadToEndAsync();
        string error = await process.StandardError.ReadToEndAsync();
        string rest = await output;
        using var patience = new CancellationTokenSource(TestGrid.Patience);
        await process.WaitForExitAsync(patience.Token);
        Assert.True(codes.Contains(process.ExitCode), $"It ended with {process.ExitCode}:\n{rest}\n{error}");
        Assert.DoesNotContain("   at ", rest, StringComparison.Ordinal);
        return error;
    }
}
