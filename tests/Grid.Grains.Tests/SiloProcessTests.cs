using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Grid.Grains.Tests.Support;
using Grid.Models;

namespace Grid.Grains.Tests;

/// <summary>The silo as its operator meets it: a process with arguments, output and an exit code.</summary>
public sealed class SiloProcessTests
{
    [Theory]
    [InlineData(2, "grid: --prot is not an option of Grid; did you mean --port?", "--prot", "1")]
    [InlineData(2, "grid: --port is 'x'; it must be a whole number from 0 to 65535.", "--port", "x")]
    [InlineData(2, "grid: --Gateway:QueueSze is not an option of Grid; did you mean --Gateway:QueueSize?", "--Gateway:QueueSze", "4")]
    [InlineData(1, "--model-path is '/no/such/folder'; there is no such folder", "--port", "0", "--model-path", "/no/such/folder")]
    [InlineData(1, "--model-path is './nonexistent'; there is no such folder (seen from ", "--port", "0", "--model-path", "./nonexistent")]
    [InlineData(1, "--model-path is 'models/demo-Q4_K_M.gguf'; there is no such folder", "--port", "0", "--model-path", "models/demo-Q4_K_M.gguf")]
    [InlineData(1, "--model-path is 'Grid.Silo.dll', a file; it must be a folder in Hugging Face form (config.json, *.safetensors). Files of other forms, such as GGUF, are not read.", "--port", "0", "--model-path", "Grid.Silo.dll")]
    [InlineData(1, "'a b' is neither an existing folder nor a model of the Hugging Face hub", "--port", "0", "--model-path", "a b")]
    [InlineData(1, "The cache knows no revision 'v2' of grid/none, and HF_HUB_OFFLINE is set", "--port", "0", "--model-path", "grid/none", "--revision", "v2")]
    [InlineData(2, "--revision is 'v2'; it chooses among the revisions of a model of the hub", "--port", "0", "--revision", "v2")]
    public async Task A_start_that_cannot_succeed_ends_with_one_clear_sentence(int exitCode, string message, params string[] arguments)
    {
        var (code, _, error) = await RunAsync(arguments);
        AssertRefused(exitCode, message, code, error);
    }

    [Fact]
    public async Task Truncated_weights_end_the_start_with_one_clear_sentence()
    {
        string folder = Directory.CreateTempSubdirectory("grid-test-").FullName;
        try
        {
            foreach (string file in Directory.GetFiles(DemoModel.Path))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }

            using (var weights = new FileStream(Path.Combine(folder, "model.safetensors"), FileMode.Open))
            {
                weights.SetLength(weights.Length / 2);
            }

            var (code, _, error) = await RunAsync("--port", "0", "--model-path", folder);
            AssertRefused(1, "model.safetensors", code, error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string port = $"{((IPEndPoint)listener.LocalEndpoint).Port}";
        var (code, _, error) = await RunAsync("--port", port);
        AssertRefused(1, $"--port is {port}, which another program on this machine uses already", code, error);
        (code, _, error) = await RunAsync("--port", "0", "--silo-port", port);
        AssertRefused(1, $"--silo-port is {port}, which another program on this machine uses already", code, error);
    }

    [Fact]
    public async Task A_silo_says_where_it_is_ready_streams_an_answer_and_lets_it_end_when_asked_to_stop()
    {
        using var silo = Start("--port", "0", "--kv-cache-memory", "32MiB");
        var lines = new StringBuilder();
        string? url = null;
        while (url is null && await silo.StandardOutput.ReadLineAsync() is { } line)
        {
            lines.AppendLine(line);
            url = line.StartsWith("Ready: ", StringComparison.Ordinal) ? line["Ready: ".Length..] : null;
        }

        Assert.True(url is not null, $"It never became ready. {lines}{(url is null ? await silo.StandardError.ReadToEndAsync() : "")}");
        using var client = new HttpClient { BaseAddress = new Uri(url!), Timeout = TestGrid.Patience };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent("""{"model":"demo","prompt":"Once","stream":true,"stream_options":{"include_event_ids":true},"max_tokens":300,"temperature":0}""", Encoding.UTF8, "application/json"),
        };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        string? first = await reader.ReadLineAsync();
        Assert.StartsWith("id: ", first, StringComparison.Ordinal);
        first = await reader.ReadLineAsync();
        using (var terminate = Process.Start("kill", ["-TERM", $"{silo.Id}"]))
        {
            await terminate.WaitForExitAsync();
        }

        string rest = await reader.ReadToEndAsync();
        Assert.StartsWith("data: {", first, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]", rest.TrimEnd(), StringComparison.Ordinal);
        string last = rest.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).SkipLast(1).Last();
        using var document = JsonDocument.Parse(last["data: ".Length..]);
        Assert.True(document.RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString() is "stop" or "length");
        await silo.WaitForExitAsync();
        Assert.Equal(0, silo.ExitCode);
        Assert.Equal("", await silo.StandardError.ReadToEndAsync());
    }

    private static void AssertRefused(int exitCode, string message, int code, string error)
    {
        Assert.Equal(exitCode, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.StartsWith("grid: ", error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var silo = Start(arguments);
        var output = silo.StandardOutput.ReadToEndAsync();
        var error = silo.StandardError.ReadToEndAsync();
        await silo.WaitForExitAsync();
        return (silo.ExitCode, await output, await error);
    }

    private static Process Start(params string[] arguments) => NodeProgram.Start("Grid.Silo.dll", arguments);
}
