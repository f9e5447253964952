using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>The official OpenAI client, LangChain's and the AI SDK, as npm has them: chats that go on with their own messages, streams,
/// models, errors.</summary>
public sealed class JavaScriptClientTests(NodeFixture node)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Clients_in_JavaScript_work_unchanged()
    {
        var token = TestContext.Current.CancellationToken;
        string folder = Path.Combine(AppContext.BaseDirectory, "JavaScriptClients");
        if (NpmPackages.Restore(folder) is { } failure)
        {
            Assert.Skip($"The clients in JavaScript could not be restored: {failure}");
        }

        string model = (string)JsonNode.Parse(await node.Client.GetStringAsync("/v1/models", token))!["data"]![0]!["id"]!;
        string[] lines = await RunAsync(folder, new Uri(node.Client.BaseAddress!, "/v1").ToString(), model, token);
        Assert.All(lines, line => Assert.StartsWith("ok ", line, StringComparison.Ordinal));
        Assert.Equal((5, 2, 2), (lines.Count(line => line.StartsWith("ok openai: ", StringComparison.Ordinal)),
            lines.Count(line => line.StartsWith("ok langchain: ", StringComparison.Ordinal)), lines.Count(line => line.StartsWith("ok ai sdk: ", StringComparison.Ordinal))));
    }

    private static async Task<string[]> RunAsync(string folder, string address, string model, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("node", ["clients.mjs", address, model]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        Process? process = null;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            Assert.Skip($"node cannot be started: {error.Message}");
        }

        using (process)
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken), output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            try
            {
                await process.WaitForExitAsync(cancellationToken).WaitAsync(s_patience, cancellationToken);
            }
            catch
            {
                process.Kill(entireProcessTree: true);
                throw;
            }

            Assert.True(process.ExitCode == 0, await errors);
            return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }
}
