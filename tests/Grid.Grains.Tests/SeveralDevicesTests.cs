using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Grains.Tests.Support;
using Grid.Options;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Grid.Silo;
using Grid.Silo.Devices;
using Grid.Silo.Options;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Grid.Grains.Tests;

/// <summary>A whole node, from HTTP to arithmetic, with several devices of its own.</summary>
public sealed class SeveralDevicesTests
{
    private static readonly string[] s_prompts = ["Once", "The dog", "Anna", "A cat", "The king", "In the house"];

    [Fact]
    public async Task A_node_with_two_devices_serves_on_both_with_equal_bits_and_reads_its_text_files_once()
    {
        using var output = new StringWriter();
        await using var node = await StartAsync(output, new NodeOptions { Port = 0, Device = DeviceSelection.Parse("cpu,cpu"), CpuThreads = Math.Min(2, Environment.ProcessorCount), KvCacheMemory = 32L << 20 });
        Assert.Equal(["cpu:0", "cpu:1"], node.Workers.Select(worker => worker.Model.Device));
        Assert.Same(node.Workers[0].Model.Text, node.Workers[1].Model.Text);
        Assert.All(node.Workers, worker => Assert.Contains("1 core", worker.Model.Description, StringComparison.Ordinal));
        Assert.Contains("Device  cpu:1: CPU", output.ToString(), StringComparison.Ordinal);
        using var client = new HttpClient { BaseAddress = node.Address, Timeout = TestGrid.Patience };

        // The same request on every device, which the routing spreads because all of them run at once.
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => AskAsync(client, "Once", 60)));
        Assert.Single(answers.Distinct());
        Assert.All(node.Workers, worker => Assert.True(worker.Load.GeneratedTokens >= 60, $"{worker.Model.Device} has made {worker.Load.GeneratedTokens} tokens."));
        Assert.Equal("ok\n", await client.GetStringAsync("/readyz"));
        Assert.Single(JsonNode.Parse(await client.GetStringAsync("/v1/models"))!["data"]!.AsArray());
        using var flushed = await client.PostAsync("/flush_cache", null);
        Assert.Equal(HttpStatusCode.OK, flushed.StatusCode);
    }

    [Fact]
    public async Task A_device_that_fails_loses_its_sequences_to_the_others_of_its_node_and_the_last_ends_the_node()
    {
        TestDevice[] devices = [new("test:0"), new("test:1")];
        await using var node = await StartAsync(TextWriter.Null, new NodeOptions { Port = 0 }, devices);
        using var signals = new StopSignals("test");
        var running = node.RunAsync(TextWriter.Null, signals);
        using var client = new HttpClient { BaseAddress = node.Address, Timeout = TestGrid.Patience };
        string[] undisturbed = await AskAllAsync(client);

        // A worker that is merely lost would be expected back for an hour.
        var sequences = node.Services.GetRequiredService<IOptions<SequencesOptions>>().Value;
        var failoverWait = sequences.FailoverWait;
        sequences.FailoverWait = TimeSpan.FromHours(1);
        var answers = AskAllAsync(client);
        while (node.Workers.Any(worker => worker.OpenAttempts == 0))
        {
            Assert.False(answers.IsCompleted, "It was over before both devices had something to do.");
            await Task.Delay(1);
        }

        devices[0].Break();
        Assert.Equal(undisturbed, await answers);
        Assert.Equal("The test device broke.", node.Workers[0].Failure?.Message);
        Assert.Null(node.Workers[1].Failure);

        // The node knows that the device is gone, serves on without it, and is healthy.
        var directory = node.Services.GetRequiredService<WorkerDirectory>();
        Assert.True(await directory.WaitForAsync(_ => directory.Expected.Count == 1, TestGrid.Patience, default));
        Assert.Equal("ok\n", await client.GetStringAsync("/readyz"));
        var grid = JsonNode.Parse(await client.GetStringAsync("/v1/grid"))!["workers"]!.AsArray();
        Assert.Equal(["failed The test device broke.", "live "], grid.Select(worker => $"{worker!["state"]} {worker["failure"]}").Order());
        Assert.Equal(undisturbed, await AskAllAsync(client));
        Assert.False(running.IsCompleted);

        sequences.FailoverWait = failoverWait;
        devices[1].Break();
        await Assert.ThrowsAnyAsync<Exception>(() => AskAllAsync(client));
        Assert.Equal(StartException.Failed, await running.WaitAsync(TestGrid.Patience));
    }

    [Fact]
    public async Task A_device_that_computes_wrongly_does_not_register_and_the_start_says_why()
    {
        using var output = new StringWriter();
        await using var node = await StartAsync(output, new NodeOptions { Port = 0 }, new TestDevice("test:0") { IsWrong = true }, new TestDevice("test:1"));
        Assert.Equal("test:1", Assert.Single(node.Workers).Model.Device);
        Assert.Contains("Device  test:0 is left out: CPU, 1 core", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("failed its self-test: the bits of rms-norm are not those of the numeric contract. It must not serve.", output.ToString(), StringComparison.Ordinal);
        using var client = new HttpClient { BaseAddress = node.Address, Timeout = TestGrid.Patience };
        Assert.NotEmpty(await AskAsync(client, "Once", 4));
    }

    [Fact]
    public async Task A_device_that_breaks_in_its_self_test_is_left_out()
    {
        using var output = new StringWriter();
        await using var node = await StartAsync(output, new NodeOptions { Port = 0 }, new TestDevice("test:0"), new TestDevice("test:1") { IsBroken = true });
        Assert.Equal("test:0", Assert.Single(node.Workers).Model.Device);
        Assert.Contains("Device  test:1 is left out: The test device broke.", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_without_a_device_that_computes_rightly_does_not_start()
    {
        var error = await Assert.ThrowsAsync<StartException>(() => StartAsync(TextWriter.Null, new NodeOptions { Port = 0 }, new TestDevice("test:0") { IsWrong = true }));
        Assert.Contains("failed its self-test: the bits of rms-norm are not", error.Message, StringComparison.Ordinal);
        Assert.Equal(StartException.Failed, error.ExitCode);
        error = await Assert.ThrowsAsync<StartException>(() => StartAsync(
            TextWriter.Null, new NodeOptions { Port = 0 }, new TestDevice("test:0") { Problem = "It is not there." }, new TestDevice("test:1") { IsWrong = true }));
        Assert.Equal("The model cannot be served: no device is left. test:0 cannot be used: It is not there.", error.Message);
    }

    private static Task<GridNode> StartAsync(TextWriter output, NodeOptions options, params NodeDevice[] devices) => GridNode.StartAsync(
        options, output, devices.Length == 0 ? DeviceFinder.Find : (_, _) => devices, CancellationToken.None);

    private static Task<string[]> AskAllAsync(HttpClient client) => Task.WhenAll(s_prompts.Select(prompt => AskAsync(client, prompt, 120)));

    private static async Task<string> AskAsync(HttpClient client, string prompt, int tokens)
    {
        string json = $$$"""{"text":"{{{prompt}}}","return_logprob":true,"sampling_params":{"max_new_tokens":{{{tokens}}},"sampling_seed":3,"ignore_eos":true}}""";
        using var response = await client.PostAsync("/generate", new StringContent(json, Encoding.UTF8, "application/json"));
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        var answer = JsonNode.Parse(body)!;
        return $"{answer["text"]}\n{answer["output_ids"]!.ToJsonString()}\n{answer["meta_info"]!["output_token_logprobs"]!.ToJsonString()}";
    }
}
