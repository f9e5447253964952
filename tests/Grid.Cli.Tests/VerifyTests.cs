using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Grid.Cli.Reports;
using Grid.Models;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Options;
using Microsoft.Extensions.Configuration;

namespace Grid.Cli.Tests;

/// <summary>"grid verify" against a node whose bits hold, and against the same one when its norms depend on the batch.</summary>
[Collection(nameof(FaultyNode))]
public sealed class VerifyTests(FaultyNode node)
{
    private static readonly HttpClient Http = new();

    private static readonly string[] s_short = ["--max-new-tokens", "6", "--long-prompt", "400", "--crowd", "4"];

    [Theory]
    [InlineData("generate", "0.8")]
    [InlineData("openai", "0")]
    public async Task Every_mode_finds_one_answer_where_bits_hold(string api, string temperature)
    {
        var (code, output, error) = await Tool.RunAsync(["verify", "--url", node.Url, "--api", api, "--temperature", temperature, "--trials", "3", .. s_short]);
        Assert.True(code == 0, output + error);
        string[] lines = output.Split('\n');
        Assert.All(
            (string[])["single", "prefix", "mixed", "radix_cache", "p_vs_d", "crowd", "sampled", "chunk", "failover"],
            mode => Assert.Contains(lines, line => line.StartsWith($"{mode}: ", StringComparison.Ordinal)));
        Assert.DoesNotContain("Skipped", output, StringComparison.Ordinal);
        Assert.Contains("  Prompt 1: total samples: 6, Unique samples: 1", lines);
        Assert.Matches(@"\n  Prompt \d with prefix length (1|49|199|400): total samples: ", output);
        Assert.All(lines.Where(line => line.Contains("total samples", StringComparison.Ordinal)), line => Assert.EndsWith("Unique samples: 1", line, StringComparison.Ordinal));
        Assert.Contains("tokens came out of the cache", output, StringComparison.Ordinal);
        Assert.StartsWith("Equal: ", lines[^2], StringComparison.Ordinal);
    }

    /// <summary>It remembers answers, and so would find nothing.</summary>
    [Theory]
    [InlineData("verify", "--api", "generate", "--modes", "single,sampled", "--trials", "2")]
    [InlineData("verify", "--api", "openai", "--modes", "single", "--trials", "2", "--temperature", "0")]
    [InlineData("bench", "--concurrency", "2", "--prompt-tokens", "5", "--output-tokens", "3")]
    public async Task Nothing_is_asked_that_a_server_may_remember(params string[] arguments)
    {
        string before = await CountsAsync();
        var (code, output, error) = await Tool.RunAsync([.. arguments, "--url", node.Url, .. arguments[0] == "verify" ? s_short : []]);
        Assert.True(code == 0, output + error);
        Assert.Equal(before, await CountsAsync());

        // Whoever does not say so is.
        await Http.PostAsync($"{node.Url}/generate", new StringContent("{\"text\":\"x\",\"sampling_params\":{\"temperature\":0,\"max_new_tokens\":1}}", Encoding.UTF8, "application/json"));
        Assert.NotEqual(before, await CountsAsync());

        async Task<string> CountsAsync() => string.Join('\n', (await Http.GetStringAsync($"{node.Url}/metrics")).Split('\n')
            .Where(line => line.StartsWith("grid:answer_cache_", StringComparison.Ordinal) && line.Contains("_total", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_server_without_a_tokenizer_is_asked_by_ids()
    {
        await using var silent = await GridNode.StartAsync(
            new NodeOptions
            {
                Port = 0,
                ModelPath = Path.Combine(AppContext.BaseDirectory, "models", "small"),
                LoadFormat = LoadFormat.Dummy,
                KvCacheMemory = 64L << 20,
                SkipTokenizerInit = true,
            },
            TextWriter.Null, TestContext.Current.CancellationToken);
        var (code, output, error) = await Tool.RunAsync(["verify", "--url", $"{silent.Address}", "--modes", "single,p_vs_d", "--vocabulary", "1000", "--trials", "2", .. s_short]);
        Assert.True(code == 0, output + error);
        Assert.Contains("  Prompt 1: total samples: 3, Unique samples: 1", output, StringComparison.Ordinal);
        Assert.Contains("Equal: ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_depends_on_the_batch_is_found_and_the_first_difference_shown_in_every_form()
    {
        string json = Path.GetTempFileName(), html = Path.GetTempFileName();
        await node.DependOnBatchAsync(true);
        try
        {
            // Decoding alone has one row in each step, and the same tokens as a prompt have many: no timing decides what is found.
            var (code, output, error) = await Tool.RunAsync(["verify", "--url", node.Url, "--modes", "p_vs_d", "--json", json, "--html", html, "--trials", "1", .. s_short]);
            Assert.True(code == 1, output + error);
            Assert.Contains("First difference, Prefill and decode, sequence 0 of trial 1, token ", output, StringComparison.Ordinal);
            Assert.Contains("  expected as decode, a batch of 1\n", output, StringComparison.Ordinal);
            Assert.Contains("  found in    prefill, a batch of 1\n", output, StringComparison.Ordinal);
            Assert.Matches("logprob -[0-9.]+ expected, -[0-9.]+ found \\([0-9]+ fp32 numbers apart\\)", output);
            Assert.Contains("DIFFERENT: p_vs_d. 2 answers were compared.", output, StringComparison.Ordinal);

            var report = JsonNode.Parse(await File.ReadAllTextAsync(json))!;
            Assert.False((bool)report["equal"]!);
            var found = report["modes"]![0]!["cases"]![0]!;
            Assert.Equal((2, 2, 1), ((int)found["total_samples"]!, (int)found["unique_samples"]!, (int)found["differing_questions"]!));
            Assert.Equal("prefill, a batch of 1", (string)found["first_difference"]!["found_in"]!);
            Assert.Equal("[[1,2]]", found["distinct_by_load"]!.ToJsonString());

            string page = await File.ReadAllTextAsync(html);
            Assert.Contains("First difference, Prefill and decode", page, StringComparison.Ordinal);
            int at = page.IndexOf("<svg", StringComparison.Ordinal);
            Assert.NotEmpty(XElement.Parse(page[at..(page.IndexOf("</svg>", StringComparison.Ordinal) + 6)]).Descendants("polyline"));
            Assert.DoesNotContain("http-equiv", page, StringComparison.Ordinal);
            Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        }
        finally
        {
            await node.DependOnBatchAsync(false);
            File.Delete(json);
            File.Delete(html);
        }
    }

    [Fact]
    public void The_line_that_a_silo_prints_is_one_that_the_tool_takes()
    {
        Assert.StartsWith($"grid verify --url {node.Url} --trials ", node.Line, StringComparison.Ordinal);
        var options = VerifyCommand.Program.Read(node.Line.Split(' ').Skip(1), new ConfigurationBuilder().Build());
        Assert.Equal((new Uri(node.Url), true), (options.Server.Url, options.Trials < new VerifyOptions().Trials));
    }

    [Fact]
    public async Task Two_servers_are_compared_with_each_other()
    {
        var (code, output, error) = await Tool.RunAsync(["verify", "--url", node.Url, "--against", node.Url, "--modes", "single", "--trials", "3", .. s_short]);
        Assert.True(code == 0, output + error);
        Assert.Contains("  Prompt 1: total samples: 12, Unique samples: 1", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--url is 'grid'; it must be an address of http or https", "--url", "grid")]
    [InlineData("--modes is 'single,twice'; it must name modes, each once, with commas between; there are single, prefix,", "--modes", "single,twice")]
    [InlineData("--temperature is '3'; it must be a number from 0 to 2.", "--temperature", "3")]
    [InlineData("--trails is not an option of grid verify; did you mean --trials?", "--trails", "3")]
    public void A_wrong_option_is_refused_with_its_rule(string sentence, params string[] arguments)
    {
        var refusal = Assert.Throws<StartException>(() => VerifyCommand.Program.Read(["verify", .. arguments], new ConfigurationBuilder().Build()));
        Assert.Equal(2, refusal.ExitCode);
        Assert.StartsWith(sentence, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_refused_before_anything_is_asked() => Assert.Contains(
        "--json is '/nowhere/at/all', which cannot be written", Assert.Throws<StartException>(() => ReportFile.RequireWritable("--json", "/nowhere/at/all")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("http://127.0.0.1:1/ cannot be reached", "verify", "--url", "http://127.0.0.1:1")]
    [InlineData("'verfy' is no command; there are verify", "verfy")]
    public async Task Misuse_and_servers_that_are_not_there_are_a_sentence_and_exit_code_2(string sentence, params string[] arguments)
    {
        var (code, output, error) = await Tool.RunAsync(arguments);
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith($"grid: {sentence}", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_the_server_has_not_is_refused()
    {
        var (code, _, error) = await Tool.RunAsync("verify", "--url", node.Url, "--model", "other");
        Assert.Equal((2, $"grid: --model is 'other'; {node.Url}/ serves small.\n"), (code, error));
    }

    [Fact]
    public async Task Control_C_shows_what_was_found_so_far()
    {
        using var process = Tool.Start("verify", "--url", node.Url, "--modes", "sampled,single", "--trials", "1000", "--max-new-tokens", "50");
        await process.StandardOutput.ReadLineAsync(); // Reached.
        await Task.Delay(TimeSpan.FromSeconds(1)); // Under way; when exactly does not matter.
        using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"]))
        {
            await kill.WaitForExitAsync();
        }

        string rest = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 130, rest);
        Assert.Matches(@"Stopped after \d+ of 1000 trials\.", rest);
        Assert.Contains("It was stopped before its end.", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_command_the_commands_are_listed()
    {
        var (code, output, _) = await Tool.RunAsync();
        Assert.Equal(0, code);
        Assert.Matches("\n  verify  +[^ ]", output);
        Assert.Matches("\n  bench  +[^ ]", output);
    }

    [Fact]
    public void Help_says_what_exit_codes_mean_and_where_a_key_lies()
    {
        var help = new StringWriter();
        VerifyCommand.Program.WriteHelp(help);
        Assert.Contains("Exit code 0: all equal.", help.ToString(), StringComparison.Ordinal);
        Assert.Contains("GRID_API_KEY", help.ToString(), StringComparison.Ordinal);
    }
}
