using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Grid.Gateway.Metrics;
using Grid.Gateway.Tests.EndToEnd;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;

namespace Grid.Gateway.Tests;

/// <summary>What /metrics says, before a fake grid and on a real node.</summary>
public sealed partial class MetricsTests(NodeFixture node)
{
    private const string OfRequest = "{model_name=\"tiny\",engine=\"gateway\"}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_are_counted_as_vLLM_counts_them()
    {
        await using var app = (await GatewayApp.StartAsync()).WithEventIds();
        app.Grid.Script = _ => SayAsync([1, 2], [3], [4, 5, 6]);
        await app.OkAsync("/v1/completions", "{\"prompt\":[\"a\",\"bc\"],\"n\":2,\"max_tokens\":6}");
        await app.EventsAsync("/generate", "{\"text\":\"abc\",\"stream\":true,\"sampling_params\":{\"max_new_tokens\":9}}");
        Assert.Equal(400, (await app.PostAsync("/v1/completions", "{\"prompt\":5}")).Status);

        var read = await ReadAsync(app.Client);
        Assert.Equal(5, read[$"vllm:time_to_first_token_seconds_count{OfRequest}"]);
        Assert.Equal(5, read[$"vllm:e2e_request_latency_seconds_count{OfRequest}"]);
        Assert.Equal(5, read[$"vllm:request_queue_time_seconds_count{OfRequest}"]);
        Assert.Equal(5, read[$"vllm:request_prefill_time_seconds_count{OfRequest}"]);
        Assert.Equal(5, read[$"vllm:request_decode_time_seconds_count{OfRequest}"]);
        // The first two came at once, and when the second of them was made is not known.
        Assert.Equal(5 * 4, read[$"vllm:inter_token_latency_seconds_count{OfRequest}"]);
        Assert.Equal(5 * 4, read[$"vllm:time_per_output_token_seconds_count{OfRequest}"]);
        Assert.Equal(5 * 6, read[$"vllm:request_generation_tokens_sum{OfRequest}"]);
        Assert.Equal((2 * 1) + (2 * 2) + 3, read[$"vllm:request_prompt_tokens_sum{OfRequest}"]);
        Assert.Equal((4 * 6) + 9, read[$"vllm:request_params_max_tokens_sum{OfRequest}"]);
        Assert.Equal(2 + 1, read[$"vllm:request_params_n_sum{OfRequest}"]);
        Assert.Equal(5, read["vllm:request_success_total{model_name=\"tiny\",engine=\"gateway\",finished_reason=\"length\"}"]);
        Assert.Equal(1, read["http_server_request_duration_seconds_count{http_request_method=\"POST\",http_route=\"/v1/completions\",http_response_status_code=\"400\"}"]);
        Assert.True(read[$"vllm:e2e_request_latency_seconds_sum{OfRequest}"] >= read[$"vllm:time_to_first_token_seconds_sum{OfRequest}"]);
    }

    [Fact]
    public async Task Receipts_that_are_computed_again_are_counted_by_what_came_of_it()
    {
        await using var app = await GatewayApp.StartAsync();
        using var answer = await app.SendAsync("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":3,\"seed\":1,\"receipt\":true}");
        var receipt = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["choices"]![0]!["receipt"]!;
        await app.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());
        await app.OkAsync($"/v1/sequences/{answer.Headers.GetValues("X-Sequence-Id").Single()}/replay", "{}");
        receipt["request"]!["model"] = "whatever it says"; // No label is a client's to choose.
        await app.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());
        app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { FinishReason = "abort" });
        receipt["request"]!["model"] = "tiny";
        Assert.Equal(503, (await app.PostAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString())).Status);
        var read = await ReadAsync(app.Client);
        Assert.Equal(
            ["replay verified 1", "verification different 1", "verification failed 1", "verification verified 1"],
            read.Where(series => series.Key.StartsWith("grid:recomputation_seconds_count", StringComparison.Ordinal)).Select(series => Recomputation().Replace(series.Key, "$1 $2 ") + series.Value).Order());
    }

    [GeneratedRegex("^grid:recomputation_seconds_count\\{model_name=\"tiny\",kind=\"(.*)\",outcome=\"(.*)\"\\}$")]
    private static partial Regex Recomputation();

    [Fact]
    public async Task What_waits_and_which_workers_there_are_is_shown_as_it_is_now()
    {
        await using var app = (await GatewayApp.StartAsync()).WithEventIds();
        app.Grid.Snapshot = new(
            [FakeSequenceService.Worker("a", WorkerState.Live), FakeSequenceService.Worker("b", WorkerState.Quarantined), FakeSequenceService.Worker("c", WorkerState.Live)],
            new Dictionary<string, int> { ["tiny"] = 7 }, Running: 5);
        var read = await ReadAsync(app.Client);
        Assert.Equal(7, read[$"vllm:num_requests_waiting{OfRequest}"]);
        Assert.Equal(5, read["grid:running_sequences"]);
        Assert.Equal((2, 1, 0), (read[Workers("live")], read[Workers("quarantined")], read[Workers("lost")]));

        app.Grid.Snapshot = new([], new Dictionary<string, int>(), Running: 0);
        read = await ReadAsync(app.Client);
        Assert.Equal(0, read["grid:running_sequences"]);
        Assert.DoesNotContain(read.Keys, series => series.StartsWith("grid:workers", StringComparison.Ordinal) || series.StartsWith("vllm:num_requests_waiting", StringComparison.Ordinal));

        static string Workers(string state) => $"grid:workers{{model_name=\"tiny\",state=\"{state}\"}}";
    }

    /// <summary>Another gateway of the same process would not see them.</summary>
    [Fact]
    public async Task Each_host_shows_its_own_requests_only()
    {
        await using var one = await GatewayApp.StartAsync();
        await using var other = await GatewayApp.StartAsync();
        await one.OkAsync("/v1/completions", "{\"prompt\":\"a\"}");
        Assert.Equal(1, (await ReadAsync(one.Client))[$"vllm:time_to_first_token_seconds_count{OfRequest}"]);
        Assert.DoesNotContain($"vllm:time_to_first_token_seconds_count{OfRequest}", (await ReadAsync(other.Client)).Keys);
    }

    [Fact]
    public async Task A_stream_that_is_resumed_is_not_measured_again()
    {
        await using var app = (await GatewayApp.StartAsync()).WithEventIds();
        using var answer = await app.SendAsync("/v1/completions", "{\"prompt\":\"a\",\"stream\":true,\"seed\":1}");
        string first = GatewayApp.ReadEvents(await answer.Content.ReadAsStringAsync(Token))[0].Id!;
        var before = await ReadAsync(app.Client);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{first.Split(':')[0]}/events") { Headers = { { "Last-Event-ID", first } } };
        using var resumed = await app.Client.SendAsync(request, Token);
        Assert.True(resumed.IsSuccessStatusCode);
        Assert.True(GatewayApp.ReadEvents(await resumed.Content.ReadAsStringAsync(Token)).Count > 1);
        var after = await ReadAsync(app.Client);
        Assert.Equal(
            before.Where(series => series.Key.StartsWith("vllm:", StringComparison.Ordinal)),
            after.Where(series => series.Key.StartsWith("vllm:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_node_shows_what_its_devices_do()
    {
        const string Engine = "{model_name=\"demo\",engine=\"cpu\"}";
        var before = await ReadAsync(node.Client);
        var answer = await node.OkAsync("/generate", "{\"input_ids\":[300,301,302],\"sampling_params\":{\"max_new_tokens\":7,\"ignore_eos\":true}}");
        Assert.Equal(7, (int)answer["meta_info"]!["completion_tokens"]!);
        var after = await ReadAsync(node.Client);

        // Other tests use the node at the same time.
        Assert.True(Grown("vllm:prompt_tokens_total") >= 3);
        Assert.True(Grown("vllm:generation_tokens_total") >= 7);
        Assert.True(Grown("vllm:prefix_cache_queries_total") >= 3);
        Assert.True(Grown("grid:steps_total") >= 7);
        Assert.True(Grown("grid:step_seconds_count") >= 7);
        Assert.True(Grown("grid:step_seconds_sum") > 0);
        Assert.InRange(after[$"vllm:kv_cache_usage_perc{Engine}"], 0, 1);
        Assert.All(
            ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:num_preemptions_total", "vllm:prefix_cache_hits_total"],
            name => Assert.True(after[$"{name}{Engine}"] >= 0));
        Assert.True(after["process_cpu_seconds_total"] > 0);

        double Grown(string name) => after[$"{name}{Engine}"] - before.GetValueOrDefault($"{name}{Engine}");
    }

    /// <summary>Every line of METRICS.md, and no other, is a metric with this kind, these labels and this text.</summary>
    [Fact]
    public async Task The_page_of_metrics_says_what_there_is()
    {
        string[] rows = (await File.ReadAllLinesAsync(Path.Combine(Root(), "gateway", "METRICS.md"), Token)).Where(line => line.StartsWith("| `", StringComparison.Ordinal)).ToArray();
        Assert.Equal(PrometheusNames.All.Select(name => name.Name).Distinct().Count(), rows.Length);
        await node.OkAsync("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":2,\"n\":1}");
        string text = await node.Client.GetStringAsync("/metrics", Token);
        foreach (string row in rows)
        {
            string[] cells = [.. row.Trim('|').Split('|').Select(cell => cell.Trim())];
            string name = cells[0].Trim('`');
            var exported = PrometheusNames.All.Where(one => one.Name == name || $"{one.Name}_total" == name).ToArray();
            Assert.NotEmpty(exported);
            Assert.All(exported, one => Assert.Equal((one.Help, string.Join(", ", one.Labels.Select(label => label.Name))), (cells[3], cells[2])));
            Assert.Contains($"# TYPE {name} {cells[1]}\n", text, StringComparison.Ordinal);
            Assert.Contains($"# HELP {name} {cells[3]}\n", text, StringComparison.Ordinal);
        }
    }

    /// <summary>A query for a metric or a label that does not exist shows nothing, and an alert on it is never raised.</summary>
    [Theory]
    [InlineData("deploy/grafana/grid.json")]
    [InlineData("deploy/prometheus/alerts.yml")]
    public async Task Dashboards_and_alerts_ask_for_what_there_is(string file)
    {
        string text = await File.ReadAllTextAsync(Path.Combine(Root(), file), Token);
        string[] known = [.. PrometheusNames.All.SelectMany(name => new[] { name.Name, $"{name.Name}_total", $"{name.Name}_bucket", $"{name.Name}_sum", $"{name.Name}_count" })];
        string[] asked = [.. MetricName().Matches(text).Select(match => match.Value).Distinct()];
        Assert.NotEmpty(asked);
        Assert.Empty(asked.Except(known));
        string[] labels = [.. PrometheusNames.All.SelectMany(name => name.Labels).Select(label => label.Name), "le", "instance", "job"];
        string[] named = [.. LabelName().Matches(text).SelectMany(match => match.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries)).Distinct()];
        Assert.NotEmpty(named);
        Assert.Empty(named.Except(labels));
    }

    [GeneratedRegex("\\b(?:vllm|grid):[a-z0-9_]+|\\bhttp_server_[a-z0-9_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex("\\bby \\(([a-z_, ]+)\\)")]
    private static partial Regex LabelName();

    private static async IAsyncEnumerable<SequenceUpdate> SayAsync(params int[][] updates)
    {
        for (int i = 0; i < updates.Length; i++)
        {
            await Task.Yield();
            yield return new SequenceUpdate
            {
                Tokens = [.. updates[i].Select(id => new ScoredToken(id, float.NaN, []))],
                FinishReason = i == updates.Length - 1 ? "length" : null,
            };
        }
    }

    /// <summary>The series and their values.</summary>
    private static async Task<Dictionary<string, double>> ReadAsync(HttpClient client)
    {
        using var response = await client.GetAsync("/metrics", Token);
        Assert.Equal(("text/plain", "utf-8"), (response.Content.Headers.ContentType!.MediaType, response.Content.Headers.ContentType.CharSet));
        string text = await response.Content.ReadAsStringAsync(Token);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#')
            .ToDictionary(line => line[..line.LastIndexOf(' ')], line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }

    private static string Root([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "..");
}
