using System.Text.Json.Nodes;
using Grid.Cli.Bench;
using Grid.Options;
using Microsoft.Extensions.Configuration;

namespace Grid.Cli.Tests;

/// <summary>"grid bench".</summary>
[Collection(nameof(FaultyNode))]
public sealed class BenchTests(FaultyNode node)
{
    [Theory]
    [InlineData("generate", "--concurrency", "3")]
    [InlineData("openai", "--rate", "200")]
    public async Task Every_token_of_every_request_is_counted(string api, string way, string load)
    {
        string json = Path.GetTempFileName(), html = Path.GetTempFileName();
        try
        {
            var (code, output, error) = await Tool.RunAsync(
                "bench", "--url", node.Url, "--api", api, way, load, "--requests", "7", "--prompt-tokens", "20-40", "--output-tokens", "5", "--shared-prefix", "8",
                "--good-e2e", "3600000", "--json", json, "--html", html);
            Assert.True(code == 0, output + error);
            var run = JsonNode.Parse(await File.ReadAllTextAsync(json))!["runs"]!.AsArray().Single()!;
            Assert.Equal(7, (int)run["requests"]!);
            Assert.Empty(run["failures"]!.AsObject());
            double seconds = (double)run["seconds"]!;
            Assert.Equal(7 * 5, (double)run["output_tokens_per_second"]! * seconds, 1e-6);
            Assert.InRange((double)run["all_tokens_per_second"]! * seconds, 7 * 25, 7 * 45);
            Assert.Equal((double)run["requests_per_second"]!, (double)run["good_requests_per_second"]!);
            Assert.Equal(7, (int)run["ttft_ms"]!["count"]!);
            Assert.InRange((double)run["e2e_ms"]!["max"]!, (double)run["ttft_ms"]!["p50"]!, seconds * 1000);
            Assert.Contains("<polyline", await File.ReadAllTextAsync(html), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(json);
            File.Delete(html);
        }
    }

    /// <summary>2 prompts of 100 ids, 30 of them shared, 4 samples of the first and 3 of the second: 64 ids are a page.</summary>
    [Theory]
    [InlineData("generate")]
    [InlineData("openai")]
    public async Task Samples_of_a_prompt_are_its_tokens_once(string api)
    {
        string json = Path.GetTempFileName();
        try
        {
            var (code, output, error) = await Tool.RunAsync(
                "bench", "--url", node.Url, "--api", api, "--concurrency", "1", "--requests", "7", "--samples", "4", "--prompt-tokens", "100", "--output-tokens", "3-9", "--shared-prefix", "30",
                "--seed", api == "generate" ? "71" : "72", "--json", json);
            Assert.True(code == 0, output + error);
            var run = JsonNode.Parse(await File.ReadAllTextAsync(json))!["runs"]!.AsArray().Single()!;
            Assert.Equal((700, 170), ((int)run["prompt_tokens"]!, (int)run["different_prompt_tokens"]!));
            Assert.Equal(5 * 64, (int)run["cached_prompt_tokens"]!);
            Assert.Equal((700 - (5 * 64)) / 170.0, (double)run["prefill_ratio"]!);
            Assert.Contains("2.24 x", output, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(json);
        }
    }

    [Fact]
    public async Task A_request_that_failed_is_named_and_in_no_figure()
    {
        var (code, output, _) = await Tool.RunAsync("bench", "--url", node.Url, "--concurrency", "2", "--prompt-tokens", "3000", "--output-tokens", "5", "--warmup-tokens", "0");
        Assert.Equal(1, code);
        Assert.Contains("2 at once: 2 failed: 400: ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--rate and --concurrency are two ways", "--rate", "1", "--concurrency", "2")]
    [InlineData("--target is by concurrency", "--rate", "1", "--target", "1=2")]
    [InlineData("--shared-prefix is 20; it must be below the shortest prompt of --prompt-tokens, 10.", "--shared-prefix", "20", "--prompt-tokens", "10-30")]
    [InlineData("--prefix-groups says how many beginnings", "--prefix-groups", "2")]
    [InlineData("--rate is '0'; it must be numbers above 0, to 100000, with commas between.", "--rate", "0")]
    [InlineData("--concurrency is '1.5'; it must be whole numbers above 0", "--concurrency", "1.5")]
    public void Options_that_do_not_go_together_are_refused(string sentence, params string[] arguments)
    {
        var refusal = Assert.Throws<StartException>(() => BenchCommand.Program.Read(["bench", .. arguments], new ConfigurationBuilder().Build()).Loads());
        Assert.Equal(2, refusal.ExitCode);
        Assert.StartsWith(sentence, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lengths_are_drawn_as_they_are_named()
    {
        var random = new Random(1);
        int[] Draw(string text) => [.. Enumerable.Range(0, 2000).Select(_ => LengthDistribution.Parse(text)!.Draw(random))];
        Assert.Equal([512], Draw("512").Distinct());
        Assert.Equal(Enumerable.Range(3, 5), Draw("3-7").Distinct().Order());
        int[] lognormal = [.. Draw("lognormal:100:1").Order()];
        Assert.InRange(lognormal[1000], 90, 111);
        Assert.InRange(lognormal[1683], 243, 304); // One sigma up: e times the median.
        Assert.Equal((true, true), (lognormal[0] >= 1, lognormal[^1] <= 800));
        Assert.All((string[])["", "0", "5-2", "a", "lognormal:1", "lognormal:0:1", "lognormal:5:9", "1-2-3"], text => Assert.Null(LengthDistribution.Parse(text)));
    }

    [Fact]
    public void Percentiles_are_values_that_were_measured()
    {
        var hundred = new Distribution(Enumerable.Range(1, 100).Reverse().Select(i => (double)i));
        Assert.Equal((51, 100, 100, 50.5), (hundred.Percentile(0.5), hundred.Percentile(0.99), hundred.Max, hundred.Mean));
        Assert.Null(new Distribution([]).Percentile(0.5));
    }
}
