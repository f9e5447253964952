using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Tests.Fakes;
using Grid.Models;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>A node gets other weights while it serves: each answer is wholly of one version, with the bits of a fresh start with it.</summary>
public sealed class WeightUpdateTests(WeightUpdateTests.Served served) : IClassFixture<WeightUpdateTests.Served>
{
    private const int Clients = 64;

    private readonly HttpClient _client = served.Client;
    private readonly GridNode _node = served.Node;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string OtherFolder => served.OtherFolder;

    [Fact]
    public async Task Under_64_streams_every_answer_is_wholly_of_one_version_and_has_the_bits_of_a_fresh_start()
    {
        string own = Fingerprint(_node);
        string[] ownBits = await AskAllAsync(_client), otherBits;
        string other;
        await using (var fresh = await StartAsync(OtherFolder))
        {
            using var client = new HttpClient { BaseAddress = fresh.Address };
            (other, otherBits) = (Fingerprint(fresh), await AskAllAsync(client));
        }

        Assert.All(ownBits.Zip(otherBits), pair => Assert.NotEqual(pair.First, pair.Second));

        // What runs ends with the old weights, what comes meanwhile waits for the new ones.
        var answers = await UpdateUnderLoadAsync("", "new");
        Assert.All(answers.SelectMany(one => one), answer => Assert.Equal(answer.Fingerprint == own ? ownBits[answer.Request] : otherBits[answer.Request], answer.Bits));
        Assert.All(answers, one => Assert.Equal((own, other, "new"), (one[0].Fingerprint, one[^1].Fingerprint, one[^1].Version)));
        Assert.Equal((other, "new"), ((string?)(await GetAsync("/get_weight_version"))["system_fingerprint"], (string?)(await GetAsync("/model_info"))["weight_version"]));

        // What runs ends where it stands.
        answers = await UpdateUnderLoadAsync(",\"abort_all_requests\":true", "back", DemoModel.Path);
        var cut = answers.SelectMany(one => one).Where(answer => answer.Finish == "abort").ToArray();
        Assert.NotEmpty(cut);
        Assert.All(cut, answer => Assert.Equal(other, answer.Fingerprint));
        Assert.All(cut, answer => Assert.StartsWith(answer.Bits, otherBits[answer.Request], StringComparison.Ordinal));
        Assert.All(answers.SelectMany(one => one).Except(cut), answer => Assert.Equal(answer.Fingerprint == own ? ownBits[answer.Request] : otherBits[answer.Request], answer.Bits));
        Assert.All(answers, one => Assert.Equal((own, "back"), (one[^1].Fingerprint, one[^1].Version)));
        Assert.Equal(own, Fingerprint(_node));
    }

    [Fact]
    public async Task Weights_that_fail_a_check_leave_the_old_ones_serving()
    {
        const string Ask = """{"text":"Once","return_logprob":true,"sampling_params":{"max_new_tokens":20,"sampling_seed":3}}""";
        string bits = NodeFixture.Bits(await OkAsync("/generate", Ask)), fingerprint = Fingerprint(_node);
        byte[] whole = await File.ReadAllBytesAsync(Path.Combine(OtherFolder, "model.safetensors"), Token);
        string bad = Directory.CreateDirectory(Path.Combine(served.Folder, "bad")).FullName, file = Path.Combine(bad, "model.safetensors");
        int header = (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        foreach (var (weights, config, message) in new (byte[], string?, string)[]
        {
            ([.. whole[..^2], 0xC0, 0x7F], null, "NaN"),
            (whole[..^2], null, "model.safetensors"),
            (Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"), null, "git-lfs"),
            ([.. Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(whole, 0, 8 + header).Replace("model.norm.weight", "model.form.weight", StringComparison.Ordinal)), .. whole[(8 + header)..]], null, "model.norm.weight"),
            (whole, "\"rms_norm_eps\": 1e-05", "norm_epsilon"),
            (whole, "\"architectures\": [\"LlamaForCausalLM\"]", "'model_path'"),
        })
        {
            await File.WriteAllBytesAsync(file, weights, Token);
            WriteConfig(bad, config);
            var (status, body) = await PostAsync("/update_weights_from_disk", $$"""{"model_path":"{{bad}}","weight_version":"bad"}""");
            Assert.Equal((400, "model_path"), (status, (string?)body["error"]?["param"]));
            Assert.Contains(message, (string)body["error"]!["message"]!, StringComparison.Ordinal);
        }

        var (missing, text) = await PostAsync("/update_weights_from_disk", """{"model_path":"/no/such/folder"}""");
        Assert.Equal((400, "model_path"), (missing, (string?)text["error"]!["param"]));
        Assert.Equal(fingerprint, Fingerprint(_node));
        Assert.NotEqual("bad", (string?)(await GetAsync("/get_weight_version"))["weight_version"]);
        Assert.Equal(bits, NodeFixture.Bits(await OkAsync("/generate", Ask)));
    }

    /// <summary>Their keys and values are of the old weights, and they cannot end while they are held.</summary>
    [Fact]
    public async Task Under_sequences_that_are_held_weights_change_only_with_their_end()
    {
        const string Ask = """{"text":"Once","sampling_params":{"max_new_tokens":300,"ignore_eos":true,"sampling_seed":3}}""";
        var running = OkAsync("/generate", Ask);
        await Until.HoldsAsync(() => _node.Workers[0].Load.Running == 1, "It does not run.");
        await OkAsync("/pause_generation", """{"mode":"in_place"}""");
        string fingerprint = Fingerprint(_node), request = $$"""{"model_path":"{{OtherFolder}}"}""";
        var (status, body) = await PostAsync("/update_weights_from_disk", request);
        Assert.Equal((400, "abort_all_requests"), (status, (string?)body["error"]!["param"]));
        Assert.Equal(fingerprint, Fingerprint(_node));
        await OkAsync("/update_weights_from_disk", request.Replace("}", ",\"abort_all_requests\":true}", StringComparison.Ordinal));
        Assert.Equal("abort", (string?)(await running)["meta_info"]!["finish_reason"]!["type"]);
        var comes = OkAsync("/generate", Ask);
        await Until.HoldsAsync(() => _node.Workers[0].Load.Waiting == 1, "It is not held.");
        await OkAsync("/continue_generation", "{}");
        Assert.Equal(Fingerprint(_node), (string?)(await comes)["meta_info"]!["system_fingerprint"]);
        Assert.NotEqual(fingerprint, Fingerprint(_node));
        Assert.Equal(Fingerprint(_node), (string?)(await comes)["meta_info"]!["weight_version"]); // Nobody has named them.
        await OkAsync("/update_weights_from_disk", $$"""{"model_path":"{{DemoModel.Path}}","weight_version":"default"}""");
        Assert.Equal(fingerprint, Fingerprint(_node));
    }

    /// <summary>Every client asks until it has had an answer that it began after the update.</summary>
    private async Task<List<Answer>[]> UpdateUnderLoadAsync(string fields, string version, string? folder = null)
    {
        int begun = 0;
        bool updated = false;
        var clients = Enumerable.Range(0, Clients).Select(async i =>
        {
            var answers = new List<Answer>();
            for (bool last = false; !last;)
            {
                last = Volatile.Read(ref updated);
                answers.Add(await AskAsync(_client, i, () => Interlocked.Increment(ref begun)));
            }

            return answers;
        }).ToArray();
        await Until.HoldsAsync(() => Volatile.Read(ref begun) >= Clients && _node.Workers[0].Load.Running > Clients / 2, "They do not run.");
        var done = await OkAsync("/update_weights_from_disk", $$"""{"model_path":"{{folder ?? OtherFolder}}","weight_version":"{{version}}"{{fields}}}""");
        Volatile.Write(ref updated, true);
        Assert.Equal(("true", version, Fingerprint(_node)), (done["success"]!.ToJsonString(), (string?)done["weight_version"], (string?)done["system_fingerprint"]));
        return await Task.WhenAll(clients);
    }

    private static async Task<string[]> AskAllAsync(HttpClient client) =>
        [.. (await Task.WhenAll(Enumerable.Range(0, Clients).Select(i => AskAsync(client, i, () => { })))).Select(answer => answer.Bits)];

    /// <summary>One stream, of which every event says the same of its version.</summary>
    private static async Task<Answer> AskAsync(HttpClient client, int request, Action begun)
    {
        string json = $$$"""{"prompt":[300,{{{301 + request}}},302],"stream":true,"logprobs":1,"max_tokens":12,"ignore_eos":true,"seed":{{{request}}}}""";
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        using var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, Token);
        begun();
        var events = GatewayApp.ParseEvents(await response.Content.ReadAsStringAsync(Token));
        Assert.All(events, one => Assert.Null(one["error"]));
        var (fingerprint, version) = Assert.Single(events.Select(one => ((string)one["system_fingerprint"]!, (string)one["weight_version"]!)).Distinct());
        var logprobs = events.Select(one => one["choices"]![0]!["logprobs"]).OfType<JsonNode>();
        string bits = string.Concat(logprobs.SelectMany(one => one["tokens"]!.AsArray().Zip(one["token_logprobs"]!.AsArray(), (token, logprob) => $"{token} {logprob}\n")));
        return new(request, fingerprint, version, (string)events[^1]["choices"]![0]!["finish_reason"]!, bits);
    }

    private static Task<GridNode> StartAsync(string? folder) => GridNode.StartAsync(
        new NodeOptions { Port = 0, KvCacheMemory = 64L << 20, SkipServerWarmup = true, ModelPath = folder, ServedModelName = DemoModel.Name, MaxRunningRequests = Clients }, TextWriter.Null, Token);

    private static string Fingerprint(GridNode node) => node.Workers[0].Model.NumericsId;

    /// <summary>The demo model with a bit of every value flipped.</summary>
    private static void WritePerturbed(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(DemoModel.Path))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        string weights = Path.Combine(folder, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        for (int i = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes); i < bytes.Length; i += 2)
        {
            bytes[i] ^= 8;
        }

        File.WriteAllBytes(weights, bytes);
    }

    /// <summary>The demo model's configuration, with a field of another value.</summary>
    private static void WriteConfig(string folder, string? change)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(DemoModel.Path, "config.json")))!;
        if (change is not null)
        {
            var (name, value) = JsonNode.Parse($"{{{change}}}")!.AsObject().Single();
            config[name] = value!.DeepClone();
        }

        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
    }

    private async Task<(int Status, JsonNode Body)> PostAsync(string path, string json)
    {
        using var response = await _client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), Token);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!);
    }

    private async Task<JsonNode> OkAsync(string path, string json)
    {
        var (status, body) = await PostAsync(path, json);
        Assert.True(status == 200, body.ToJsonString());
        return body;
    }

    private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path, Token))!;

    private sealed record Answer(int Request, string Fingerprint, string Version, string Finish, string Bits);

    /// <summary>A node with the demo model, and other weights for it.</summary>
    public sealed class Served : IAsyncLifetime
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("grid-weights-").FullName;

        public string OtherFolder => Path.Combine(Folder, "perturbed");

        public GridNode Node { get; private set; } = null!;

        public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromSeconds(60) };

        public async ValueTask InitializeAsync()
        {
            WritePerturbed(OtherFolder);
            Node = await StartAsync(null);
            Client.BaseAddress = Node.Address;
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            if (Node is not null)
            {
                await Node.DisposeAsync();
            }

            Directory.Delete(Folder, recursive: true);
        }
    }
}
