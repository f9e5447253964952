using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Grid.Cluster.Tests.Support;

namespace Grid.Cluster.Tests;

/// <summary>Which worker gets a sequence, and what happens when none has room.</summary>
public sealed class RoutingTests(RedisServer redis, PostgresServer postgres, ITestOutputHelper output)
{
    [Fact]
    public async Task Chats_of_many_turns_find_their_prefixes_on_three_workers_as_on_one_and_load_them_evenly()
    {
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres, demoModel: true);
        var (gateway, _) = await cluster.StartAsync(1);
        double alone = await ChatLoad.RunAsync(gateway.Client);

        cluster.StartSilo();
        cluster.StartSilo();
        await gateway.SeesLiveAsync(3);
        using var reply = await gateway.Client.PostAsync("/flush_cache", null);
        Assert.True(reply.IsSuccessStatusCode);
        var before = await ComputedAsync(gateway, 3, flushed: true);
        double together = await ChatLoad.RunAsync(gateway.Client);
        var after = await ComputedAsync(gateway, 3, flushed: false);
        long[] computed = [.. after.Select(worker => worker.Value - before[worker.Key])];
        double imbalance = computed.Max() / computed.Average() - 1;
        string figures = $"Prefix-cache hit rate: one worker {alone:P1}, three {together:P1}, ratio {together / alone:F3}; "
            + $"tokens computed by each {string.Join(", ", computed)}: the most loaded {imbalance:P1} above the mean";
        output.WriteLine(figures);
        Assert.True(together >= 0.9 * alone, figures);
        Assert.True(imbalance < 0.2, figures);
    }

    [Fact]
    public async Task An_overloaded_grid_refuses_with_a_time_to_come_back_and_loses_nothing_it_accepted_even_when_a_worker_dies()
    {
        string[] prompts = ["The dog", "Once upon a time", "Anna", "The king", "A cat", "In the house", "Where", "The dog and the cat"];
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres, demoModel: true);
        string[] small = ["--max-running-requests", "2", "--max-queued-requests", "1"];
        cluster.StartSilo(small);
        var second = cluster.StartSilo(small);
        var gateway = cluster.StartGateway("--Gateway:QueueSize", "12"); // Of which one client may fill six.
        await gateway.SeesLiveAsync(2);
        var undisturbed = await Task.WhenAll(prompts.Select(prompt => AskAsync(gateway.Client, prompt)));
        Assert.All(undisturbed, answer => Assert.Null(answer.RetryAfter)); // Two run and one waits at each, and six here.

        // Killed once the grid is full: both workers run what they may, and others wait here.
        var asked = Enumerable.Range(0, 24).Select(i => AskAsync(gateway.Client, prompts[i % prompts.Length])).ToArray();
        await Programs.UntilAsync(() => IsFullAsync(gateway, running: 2), "The grid never was full.");
        second.Kill();
        var answers = await Task.WhenAll(asked);
        int refused = 0;
        for (int i = 0; i < answers.Length; i++)
        {
            if (answers[i].RetryAfter is { } seconds)
            {
                refused++;
                Assert.InRange(seconds, 1, 600);
            }
            else
            {
                Assert.Equal(undisturbed[i % prompts.Length], answers[i]);
            }
        }

        output.WriteLine($"{answers.Length - refused} accepted and ended, {refused} refused; Retry-After {string.Join(", ", answers.Select(answer => answer.RetryAfter).OfType<int>())}");
        Assert.InRange(refused, 1, answers.Length - 6); // None is refused before six wait.
        Assert.True(gateway.Count("and restarts") > 0, $"Nothing ran on the worker that was killed:\n{gateway.Output}");
        Assert.Equal(undisturbed[..4], await Task.WhenAll(prompts[..4].Select(prompt => AskAsync(gateway.Client, prompt))));
    }

    [Fact]
    public async Task Models_of_several_silos_are_listed_together_and_each_request_goes_to_its_own()
    {
        await using var cluster = await TestCluster.CreateAsync("localhost", redis, postgres, demoModel: true);
        cluster.StartSilo("--served-model-name", "one");
        cluster.StartSilo("--served-model-name", "two", "--load-format", "dummy");
        var gateway = cluster.StartGateway();
        await gateway.SeesLiveAsync(2);
        var listed = (await gateway.Client.GetFromJsonAsync<JsonNode>("/v1/models"))!["data"]!.AsArray();
        Assert.Equal(["one", "two"], listed.Select(model => (string)model!["id"]!));
        Assert.NotEqual((string)listed[0]!["system_fingerprint"]!, (string)listed[1]!["system_fingerprint"]!);

        string[] answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            using var response = await gateway.Client.PostAsJsonAsync("/generate", new JsonObject
            {
                ["model"] = (string)listed[i % 2]!["id"]!,
                ["input_ids"] = new JsonArray(5, 6, 7),
                ["sampling_params"] = new JsonObject { ["temperature"] = 0, ["max_new_tokens"] = 8, ["ignore_eos"] = true },
            });
            var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
            Assert.Equal((string)listed[i % 2]!["system_fingerprint"]!, (string)answer["meta_info"]!["system_fingerprint"]!);
            return answer["output_ids"]!.ToJsonString();
        }));
        Assert.Equal(2, answers.Distinct().Count());
        var workers = (await gateway.Client.GetFromJsonAsync<JsonNode>("/v1/grid"))!["workers"]!.AsArray();
        Assert.All(workers, worker => Assert.Equal(12, (int)worker!["load"]!["prompt_tokens"]!));

        using var unknown = await gateway.Client.PostAsJsonAsync("/v1/completions", new { model = "three", prompt = "The dog" });
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    /// <summary>An answer, whole; or when to ask again.</summary>
    private static async Task<(string Choices, int? RetryAfter)> AskAsync(HttpClient client, string prompt)
    {
        using var response = await client.PostAsJsonAsync(
            "/v1/completions", new { prompt, seed = 7, max_tokens = 250, ignore_eos = true, logprobs = 1, user = prompt[..1] });
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        if (response.StatusCode == HttpStatusCode.TooManyRequests)
        {
            Assert.Equal("overloaded", (string?)answer["error"]!["code"]);
            return ("", (int)response.Headers.RetryAfter!.Delta!.Value.TotalSeconds);
        }

        Assert.True(response.IsSuccessStatusCode, answer.ToJsonString());
        return (answer["choices"]!.ToJsonString(), null);
    }

    /// <summary>Whether each worker runs so many sequences and requests wait at the gateway.</summary>
    private static async Task<bool> IsFullAsync(NodeProcess gateway, int running)
    {
        var grid = (await gateway.Client.GetFromJsonAsync<JsonNode>("/v1/grid"))!;
        return grid["queued"]!.AsObject().Any(model => (int)model.Value! > 0)
            && grid["workers"]!.AsArray().All(worker => (int)worker!["load"]!["running"]! == running);
    }

    /// <summary>Prompt tokens computed and output tokens, by worker, once all is quiet and, after a flush,
    /// the gateway knows that nothing is cached.</summary>
    private static async Task<Dictionary<string, long>> ComputedAsync(NodeProcess gateway, int workers, bool flushed)
    {
        JsonArray seen = [];
        await Programs.UntilAsync(
            async () =>
            {
                seen = (await gateway.Client.GetFromJsonAsync<JsonNode>("/v1/grid"))!["workers"]!.AsArray();
                return seen.Count == workers && seen.All(worker => (int)worker!["load"]!["running"]! == 0 && (!flushed || (int)worker["pages"]!["known_here"]! == 0));
            },
            "The workers did not come to rest.");
        return seen.ToDictionary(
            worker => (string)worker!["id"]!,
            worker => (long)worker!["load"]!["prompt_tokens"]! - (long)worker["load"]!["cached_prompt_tokens"]! + (long)worker["load"]!["generated_tokens"]!);
    }
}
