using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Grid.Grains.Tests.Support;

namespace Grid.Grains.Tests;

/// <summary>What a node prints, in both forms of its log.</summary>
public sealed partial class LogTests
{
    private static readonly string[] s_silo = ["--port", "0", "--kv-cache-memory", "32MiB", "--log-requests"];

    [Fact]
    public async Task A_JSON_log_is_JSON_from_the_first_line_to_the_last_with_the_moment_and_who_asked_for_what()
    {
        var lines = await RunAsync("Ready: (http[^\"]+)", "--log-format", "json");
        var entries = lines.ConvertAll(line => JsonNode.Parse(line)!);
        Assert.All(entries, entry => Assert.True(DateTime.TryParse((string?)entry["Timestamp"], CultureInfo.InvariantCulture, out _), entry.ToJsonString()));
        Assert.All(["Grid ", "Device", "Model", "Ready: http", "demo, fingerprint "], text => Assert.Contains(entries, entry => ((string?)entry["Message"])!.StartsWith(text, StringComparison.Ordinal)));
        var request = Assert.Single(entries, entry => (string?)entry["Category"] == "Grid.Gateway.Http.RequestLog");
        Assert.Matches("^127\\.0\\.0\\.1:\\d+ \"GET /livez HTTP/1\\.1\" 200 ", (string?)request["Message"]);
        Assert.Equal("/livez", (string?)request["State"]!["Path"]);
    }

    [Fact]
    public async Task A_text_log_has_date_and_time_and_debug_shows_what_info_does_not()
    {
        var lines = await RunAsync("^Ready: (.*)$", "--log-level", "debug");
        Assert.Contains(lines, line => LogLine().IsMatch(line) && line.Contains("\"GET /livez HTTP/1.1\" 200", StringComparison.Ordinal));
        Assert.Contains(lines, line => LogLine().IsMatch(line) && line.Contains(" info: Orleans.", StringComparison.Ordinal));
        var info = await RunAsync("^Ready: (.*)$", "--log-level", "info");
        Assert.True(info.Count < lines.Count / 2, $"{lines.Count} lines with debug, {info.Count} with info");
    }

    /// <summary>Starts a silo, asks for /livez, ends it, and gives what it printed.</summary>
    private static async Task<List<string>> RunAsync(string ready, params string[] arguments)
    {
        using var silo = NodeProgram.Start("Grid.Silo.dll", [.. s_silo, .. arguments]);
        var lines = new List<string>();
        while (await silo.StandardOutput.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            if (Regex.Match(line, ready) is { Success: true } match)
            {
                using var client = new HttpClient { Timeout = TestGrid.Patience };
                await client.GetStringAsync($"{match.Groups[1].Value}/livez");
                await NodeProgram.SignalAsync(silo, "TERM");
            }
        }

        Assert.Equal("", await silo.StandardError.ReadToEndAsync());
        return [.. lines.Where(line => line.Length > 0)];
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warn|fail|crit|dbug): ")]
    private static partial Regex LogLine();

    [Fact]
    public async Task The_lines_to_try_give_the_same_bytes_each_time_and_among_others()
    {
        Assert.SkipWhen(!File.Exists("/usr/bin/curl"), "curl is not installed.");
        using var silo = NodeProgram.Start("Grid.Silo.dll", "--port", "0", "--kv-cache-memory", "64MiB");
        await NodeProgram.ReadToAsync(silo, "Run it twice: the same bytes.");
        string alone = await NodeProgram.ReadToAsync(silo, "  curl");
        string among = await NodeProgram.ReadToAsync(silo, "  (seq 32");
        string first = await ShellAsync(alone);
        Assert.StartsWith("\"content\":\"", first, StringComparison.Ordinal);
        Assert.Equal(first, await ShellAsync(alone));
        Assert.Equal(first, await ShellAsync(among));
        await NodeProgram.SignalAsync(silo, "TERM");
        await silo.WaitForExitAsync();
    }

    private static async Task<string> ShellAsync(string line)
    {
        using var shell = Process.Start(new ProcessStartInfo("bash", ["-c", line]) { RedirectStandardOutput = true })!;
        return await shell.StandardOutput.ReadToEndAsync();
    }
}
