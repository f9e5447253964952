using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Receipts;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Options;
using Grid.Resumption;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests;

/// <summary>Receipts: whoever asks gets one, and what is changed in it is found where it is.</summary>
public sealed class ReceiptTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Completion = """{"prompt":"Once","max_tokens":16,"seed":11,"temperature":0.8,"stop":["zz"],"logit_bias":{"5":-2.5,"40":1},"receipt":true}""";

    private GatewayApp App => fixture.Gateway;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}],"max_tokens":9,"n":2,"receipt":true}""", 9)]
    [InlineData("/v1/completions", """{"prompt":["Once","Twice"],"n":2,"max_tokens":8,"seed":-3,"frequency_penalty":0.25,"receipt":true}""", 8)]
    [InlineData("/generate", """{"text":["Once","Twice"],"sampling_params":{"max_new_tokens":7,"temperature":0.3,"no_stop_trim":true},"receipt":true}""", 7)]
    public async Task Every_answer_has_the_receipts_that_it_asks_for_whole_or_streamed(string path, string json, int tokens)
    {
        var whole = Receipts(await App.OkAsync(path, json));
        Assert.True(whole.Count >= 2);
        foreach (var receipt in whole)
        {
            Assert.Equal(tokens, receipt["tokens"]!.AsArray().Count);
            Assert.Equal(tokens, receipt["chain"]!.AsArray().Count);
            Assert.Equal("grid-1-fake", (string?)receipt["system_fingerprint"]);
            Assert.Equal("length", (string?)receipt["finish_reason"]);
            var body = await VerifyAsync(receipt);
            Assert.True((bool)body["verified"]!, body.ToJsonString());
        }

        Assert.Equal(whole.Count, whole.Select(receipt => receipt.ToJsonString()).Distinct().Count());
        json = json.Replace("\"receipt\":true", $"\"stream\":true,\"receipt\":true{(json.Contains("seed", StringComparison.Ordinal) ? "" : Seed(path, whole[0]))}", StringComparison.Ordinal);
        json = path == "/generate" ? json.Replace("\"temperature\"", $"\"sampling_seed\":{whole[0]["request"]!["seed"]},\"temperature\"", StringComparison.Ordinal) : json;
        var events = await App.EventsAsync(path, json);
        var streamed = events.SelectMany(e => Receipts(e)).ToList();
        Assert.Equal(whole.Select(receipt => receipt.ToJsonString()).Order(StringComparer.Ordinal), streamed.Select(receipt => receipt.ToJsonString()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Nothing_is_made_for_who_does_not_ask_and_nothing_is_drawn_otherwise()
    {
        App.Grid.Started.Clear();
        var with = await App.OkAsync("/v1/completions", Completion);
        var without = await App.OkAsync("/v1/completions", Completion.Replace(",\"receipt\":true", "", StringComparison.Ordinal));
        Assert.Null(without["choices"]![0]!["receipt"]);
        Assert.Equal((string?)with["choices"]![0]!["text"], (string?)without["choices"]![0]!["text"]);
        Assert.Equal([true, false], App.Grid.Started.Select(spec => spec.Generation.Digests));
        var (status, body) = await App.PostAsync("/v1/completions", """{"prompt":"x","max_tokens":0,"echo":true,"receipt":true}""");
        Assert.Equal((400, "receipt"), (status, (string?)body["error"]!["param"]));
    }

    /// <summary>A receipt says the same as another program would: nothing here is from the code that is tested.</summary>
    [Fact]
    public async Task Request_and_chain_are_what_the_page_says()
    {
        var receipt = Receipts(await App.OkAsync("/v1/completions", Completion))[0];
        string request = """{"model":"tiny","prompt_ids":[79,110,99,101],"max_new_tokens":16,"min_new_tokens":0,"temperature":0.8,"top_p":1,"top_k":0,"min_p":0,"seed":11,"frequency_penalty":0,"presence_penalty":0,"repetition_penalty":1,"logit_bias":{"5":-2.5,"40":1},"stop":["zz"],"stop_token_ids":[],"ignore_eos":false,"skip_special_tokens":true,"no_stop_trim":false}""";
        Assert.Equal(request, receipt["request"]!.ToJsonString());
        string digest = Hex(SHA256.HashData(Encoding.UTF8.GetBytes(request)));
        Assert.Equal(digest, (string?)receipt["request_sha256"]);
        byte[] value = SHA256.HashData(Encoding.UTF8.GetBytes($"grid receipt 1\ngrid-1-fake\n{digest}\n"));
        for (int i = 0; i < 16; i++)
        {
            var logits = FakeAnswers.DigestAt(4 + i);
            value = SHA256.HashData([
                .. value, .. BitConverter.GetBytes((int)receipt["tokens"]![i]!), .. BitConverter.GetBytes(logits.First), .. BitConverter.GetBytes(logits.Second)]);
            Assert.Equal(Hex(value), (string?)receipt["chain"]![i]);
        }
    }

    [Theory]
    [InlineData("tokens", 0, "token", 0)]
    [InlineData("tokens", 7, "token", 7)]
    [InlineData("tokens", 15, "token", 15)]
    [InlineData("chain", 0, "chain", 0)]
    [InlineData("chain", 9, "chain", 9)]
    [InlineData("chain", 15, "chain", 15)]
    [InlineData("logits", 5, "chain", 5)]
    [InlineData("seed", 0, "request_sha256", null)]
    [InlineData("temperature", 0, "request_sha256", null)]
    [InlineData("prompt_ids", 0, "request_sha256", null)]
    [InlineData("forged request", 0, "chain", 0)]
    [InlineData("forged seed", 0, "token", 6)]
    [InlineData("finish_reason", 0, "finish_reason", 15)]
    [InlineData("shorter", 0, "token", 15)]
    [InlineData("longer", 0, "token", 16)]
    public async Task What_is_changed_is_found_where_it_is(string what, int place, string field, int? position)
    {
        await using var app = await GatewayApp.StartAsync();
        var receipt = Receipts(await app.OkAsync("/v1/completions", Completion))[0];
        Assert.True((bool)(await VerifyAsync(receipt, app))["verified"]!);
        var (tokens, chain, request) = (receipt["tokens"]!.AsArray(), receipt["chain"]!.AsArray(), receipt["request"]!);
        switch (what)
        {
            case "tokens":
                tokens[place] = ((int)tokens[place]! + 1) % 200;
                break;
            case "chain":
                string value = (string)chain[place]!;
                chain[place] = (value[0] == '0' ? '1' : '0') + value[1..];
                break;
            case "logits":
                app.Grid.Script = spec => Changed(FakeAnswers.Default(spec, spec.PromptIds!), place);
                break;
            case "seed" or "temperature":
                request[what] = 7;
                break;
            case "prompt_ids":
                request[what]![0] = 7;
                break;
            case "forged request": // With its right digest, and the chain of another one.
                request["top_k"] = 7;
                receipt["request_sha256"] = Hex(SHA256.HashData(Encoding.UTF8.GetBytes(request.ToJsonString())));
                break;
            case "forged seed": // All made anew, but for the tokens and logits of the old seed: "Seed 11" is not "Seed 12".
                receipt = Receipts(await app.OkAsync("/v1/completions", Completion.Replace("\"seed\":11", "\"seed\":12", StringComparison.Ordinal)))[0];
                receipt["tokens"] = tokens.DeepClone();
                break;
            case "finish_reason":
                receipt[what] = "stop";
                break;
            case "shorter": // Its last token is kept from the reader.
                tokens.RemoveAt(15);
                chain.RemoveAt(15);
                break;
            case "longer": // Than it comes to be.
                receipt = Receipts(await app.OkAsync("/v1/completions", Completion.Replace("\"max_tokens\":16", "\"max_tokens\":17", StringComparison.Ordinal)))[0];
                app.Grid.Script = spec => FakeAnswers.Default(spec with { Generation = spec.Generation with { MaxNewTokens = 16 } }, spec.PromptIds!);
                break;
        }

        var body = await VerifyAsync(receipt, app);
        Assert.False((bool)body["verified"]!);
        var difference = body["difference"]!;
        Assert.Equal((field, position), ((string?)difference["field"], (int?)difference["position"]));
        Assert.NotEqual(difference["expected"]?.ToJsonString(), difference["found"]?.ToJsonString());
    }

    [Fact]
    public async Task A_receipt_without_its_request_is_checked_with_the_request_beside_it()
    {
        var receipt = Receipts(await App.OkAsync("/v1/completions", Completion))[0].AsObject();
        var request = receipt["request"]!.DeepClone();
        receipt.Remove("request");
        var (status, body) = await App.PostAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());
        Assert.Equal((400, "receipt.request"), (status, (string?)body["error"]!["param"]));
        // In whatever order and spelling its fields are.
        var turned = new JsonObject(request.AsObject().Reverse().Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone())));
        string json = new JsonObject { ["receipt"] = receipt.DeepClone(), ["request"] = turned }.ToJsonString().Replace("\"top_p\":1", "\"top_p\":1.0e0", StringComparison.Ordinal);
        Assert.True((bool)(await App.OkAsync("/v1/verify", json))["verified"]!);
        turned["seed"] = 12;
        body = await App.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone(), ["request"] = turned.DeepClone() }.ToJsonString());
        Assert.Equal("request_sha256", (string?)body["difference"]!["field"]);
        receipt["request"] = request;
        (status, body) = await App.PostAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone(), ["request"] = turned.DeepClone() }.ToJsonString());
        Assert.Equal((400, "request"), (status, (string?)body["error"]!["param"]));
    }

    /// <summary>How it is asked of the grid: at once as what is expected, token by token to replay it, never out of a prefix cache.</summary>
    [Fact]
    public async Task A_receipt_is_computed_at_once_and_replayed_one_by_one_by_whom_the_caller_names()
    {
        await using var app = await GatewayApp.StartAsync();
        using var response = await app.SendAsync("/v1/completions", Completion);
        string id = response.Headers.GetValues("X-Sequence-Id").Single();
        var receipt = Receipts(JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!)[0];
        var body = await app.OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone(), ["worker"] = "worker" }.ToJsonString());
        Assert.Equal(("grid.verification", true), ((string?)body["object"], (bool)body["verified"]!));
        body = await app.OkAsync($"/v1/sequences/{id}/replay", """{"worker":"worker"}""");
        Assert.Equal(("grid.replay", true), ((string?)body["object"], (bool)body["verified"]!));
        var (verified, replayed) = (app.Grid.Started.ElementAt(1), app.Grid.Started.ElementAt(2));
        Assert.Equal(receipt["tokens"]!.AsArray().Select(token => (int)token!), verified.ExpectedOutputIds);
        Assert.Empty(replayed.ExpectedOutputIds);
        Assert.All(new[] { verified, replayed }, spec => Assert.Equal(("worker", true, "grid-1-fake"), (spec.Worker, spec.Generation.Digests, spec.NumericsId)));
        Assert.Equal(3, app.Grid.Started.Take(3).Select(spec => spec.CacheSalt).Distinct().Count());
        var (status, error) = await app.PostAsync($"/v1/sequences/{id}/replay", """{"worker":"nobody"}""");
        Assert.Equal((400, "worker"), (status, (string?)error["error"]!["param"]));
        app.Grid.Script = spec => Changed(FakeAnswers.Default(spec, spec.PromptIds!), 3);
        body = await app.OkAsync($"/v1/sequences/{id}/replay", "{}");
        Assert.Equal(("chain", 3), ((string?)body["difference"]!["field"], (int?)body["difference"]!["position"]));
    }

    [Fact]
    public async Task A_receipt_is_found_by_its_answer_s_id_on_any_gateway_for_a_while()
    {
        var store = new MemoryRequestStore(TimeSpan.FromMinutes(5), 1 << 20, TimeProvider.System);
        await using var app = await GatewayApp.StartAsync(store, ("Grid:Receipts", "true"));
        await using var other = await GatewayApp.StartAsync(store);
        foreach (string stream in new[] { "false", "true" })
        {
            using var response = await app.SendAsync("/v1/completions", $$"""{"prompt":"Once","n":2,"max_tokens":6,"seed":5,"stream":{{stream}}}""");
            Assert.DoesNotContain("receipt", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            string id = response.Headers.GetValues("X-Sequence-Id").Single();
            var found = await Task.WhenAll(Enumerable.Range(0, 2).Select(async i => JsonNode.Parse(await other.Client.GetStringAsync($"/v1/sequences/{id}/receipt?index={i}", Token))!));
            Assert.Equal([5, 6], found.Select(receipt => (int)receipt["request"]!["seed"]!));
            Assert.All(await Task.WhenAll(found.Select(receipt => VerifyAsync(receipt))), body => Assert.True((bool)body["verified"]!));
            await AssertNotFoundAsync(other, $"{id}/receipt?index=2", "its sequence 2");
        }

        await AssertNotFoundAsync(app, $"{Guid.NewGuid():N}/receipt", "--receipts");
        await AssertNotFoundAsync(app, "abc/receipt", "32 hexadecimal digits");
        await using var none = await GatewayApp.StartAsync(store: null);
        await AssertNotFoundAsync(none, $"{Guid.NewGuid():N}/receipt", "--sequence-retention 0");
        Assert.NotEmpty(Receipts(await none.OkAsync("/v1/completions", Completion))); // In the answer all the same.
        using var wrong = await app.Client.GetAsync($"/v1/sequences/{Guid.NewGuid():N}/receipt?index=-1", Token);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
    }

    /// <summary>As after the loss of a gateway, at whatever event: the other one's is the same text.</summary>
    [Fact]
    public async Task A_stream_that_goes_on_elsewhere_has_the_receipt_that_it_would_have_had()
    {
        var store = new MemoryRequestStore(TimeSpan.FromMinutes(5), 1 << 20, TimeProvider.System);
        await using var app = (await GatewayApp.StartAsync(store)).WithEventIds();
        await using var other = (await GatewayApp.StartAsync(store)).WithEventIds();
        string undisturbed = Receipts(await app.OkAsync("/v1/completions", Completion))[0].ToJsonString();
        using var response = await app.SendAsync("/v1/completions", Completion.Replace("\"receipt\"", "\"stream\":true,\"receipt\"", StringComparison.Ordinal));
        var events = GatewayApp.ReadEvents(await response.Content.ReadAsStringAsync(Token));
        string id = response.Headers.GetValues("X-Sequence-Id").Single();
        int last = events.FindIndex(e => e.Data.Contains("\"receipt\"", StringComparison.Ordinal));
        Assert.True(last >= 8);
        for (int i = -1; i < last; i += 3)
        {
            string position = i < 0 ? "" : $"?last_event_id={Uri.EscapeDataString(events[i].Id!)}";
            var rest = GatewayApp.ReadEvents(await other.Client.GetStringAsync($"/v1/sequences/{id}/events{position}", Token));
            var receipts = rest.SkipLast(1).SelectMany(e => Receipts(e.Json)).ToList();
            Assert.Equal(undisturbed, Assert.Single(receipts).ToJsonString());
            Assert.Equal(0, other.Grid.Started.Last().Resumed!.KnownTokens); // Their digests are needed.
        }

        Assert.Equal(undisturbed, JsonNode.Parse(await other.Client.GetStringAsync($"/v1/sequences/{id}/receipt", Token))!.ToJsonString());
    }

    [Fact]
    public async Task A_store_that_is_away_costs_no_answer_its_receipt()
    {
        await using var app = await GatewayApp.StartAsync(new ResumeTests.BrokenStore(), ("Grid:Receipts", "true"));
        for (int i = 0; i < 3; i++)
        {
            using var response = await app.SendAsync("/v1/completions", Completion);
            Assert.False(response.Headers.Contains("X-Sequence-Id"));
            Assert.Single(Receipts(JsonNode.Parse(await response.Content.ReadAsStringAsync(Token))!));
        }
    }

    [Fact]
    public async Task A_signature_says_whose_word_it_is_and_of_what()
    {
        using var folder = new TemporaryFolder();
        string file = NewKey(folder, "one.pem", out string digest);
        string otherFile = NewKey(folder, "other.pem", out string otherDigest);
        await using var app = await GatewayApp.StartAsync(("Grid:ReceiptKey", file));
        await using var other = await GatewayApp.StartAsync(("Grid:ReceiptKey", otherFile));
        var receipt = Receipts(await app.OkAsync("/v1/completions", Completion))[0];
        var others = Receipts(await other.OkAsync("/v1/completions", Completion))[0];
        Assert.Equal(digest, (string?)(await VerifyAsync(receipt))["signed_by"]); // Whoever checks needs no key.
        Assert.Null((await VerifyAsync(Receipts(await App.OkAsync("/v1/completions", Completion))[0]))["signed_by"]);
        foreach (string field in new[] { "tokens", "chain", "finish_reason", "value" })
        {
            var changed = receipt.DeepClone();
            switch (field)
            {
                case "finish_reason":
                    changed[field] = "stop";
                    break;
                case "value":
                    changed["signature"]![field] = others["signature"]![field]!.DeepClone();
                    break;
                case "tokens":
                    changed[field]![3] = 9;
                    break;
                default:
                    changed[field]![3] = new string('0', 64);
                    break;
            }

            var body = await VerifyAsync(changed);
            Assert.Equal(("signature", false, null), ((string?)body["difference"]!["field"], (bool)body["verified"]!, (string?)body["signed_by"]));
        }

        receipt["signature"] = others["signature"]!.DeepClone(); // The other one says the same.
        Assert.Equal(otherDigest, (string?)(await VerifyAsync(receipt))["signed_by"]);
    }

    [Fact]
    public async Task Receipts_that_nothing_would_keep_stop_the_start()
    {
        var options = new NodeOptions { Port = 0 };
        options.Gateway.Receipts = true;
        options.Cluster.SequenceRetention = TimeSpan.Zero;
        var refused = await Assert.ThrowsAsync<StartException>(() => GridNode.StartAsync(options, TextWriter.Null, TestContext.Current.CancellationToken));
        Assert.StartsWith("--receipts makes receipts that are kept for --sequence-retention, which is 0", refused.Message, StringComparison.Ordinal);
        Assert.Equal(StartException.Usage, refused.ExitCode);
    }

    [Fact]
    public void A_key_that_cannot_sign_stops_the_start()
    {
        using var folder = new TemporaryFolder();
        using var curve = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var rsa = RSA.Create(2048);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string[] wrong = ["nonsense", curve.ExportECPrivateKeyPem(), rsa.ExportRSAPrivateKeyPem(), key.ExportSubjectPublicKeyInfoPem(), ""];
        foreach (var (i, text) in wrong.Index())
        {
            string path = folder.Write($"{i}.pem", text);
            var refused = Assert.Throws<StartException>(() => ReceiptSigner.Check(new GatewayOptions { ReceiptKey = path }));
            Assert.StartsWith($"--receipt-key is '{path}', which must be a PEM file", refused.Message, StringComparison.Ordinal);
            Assert.Equal(StartException.Usage, refused.ExitCode);
        }

        Assert.Contains("cannot be read", Assert.Throws<StartException>(() => ReceiptSigner.Check(new GatewayOptions { ReceiptKey = "/no/such" })).Message, StringComparison.Ordinal);
        ReceiptSigner.Check(new GatewayOptions { ReceiptKey = folder.Write("right.pem", key.ExportPkcs8PrivateKeyPem()) });
    }

    [Theory]
    [InlineData("object", "\"x\"", 400, "receipt.object")]
    [InlineData("version", "2", 400, "receipt.version")]
    [InlineData("system_fingerprint", "7", 400, "receipt.system_fingerprint")]
    [InlineData("system_fingerprint", "\"grid-1-other\"", 409, null)]
    [InlineData("request_sha256", "\"ABC\"", 400, "receipt.request_sha256")]
    [InlineData("finish_reason", "\"abort\"", 400, "receipt.finish_reason")]
    [InlineData("tokens", "[]", 400, "receipt.tokens")]
    [InlineData("tokens", "[1,2]", 400, "receipt.chain")]
    [InlineData("tokens", "{}", 400, "receipt.tokens")]
    [InlineData("tokens[3]", "-1", 400, "receipt.tokens[3]")]
    [InlineData("tokens[3]", "99999", 400, "receipt.tokens[3]")]
    [InlineData("tokens[3]", "1e99", 400, "receipt.tokens[3]")]
    [InlineData("chain[3]", "\"zz\"", 400, "receipt.chain[3]")]
    [InlineData("chain[3]", "7", 400, "receipt.chain[3]")]
    [InlineData("signature", "{\"algorithm\":\"none\"}", 400, "receipt.signature.algorithm")]
    [InlineData("signature", "{\"algorithm\":\"ES256\",\"public_key\":\"%%\",\"value\":\"AA==\"}", 400, "receipt.signature.public_key")]
    [InlineData("other", "1", 400, "receipt.other")]
    [InlineData("request", "[]", 400, "receipt.request")]
    [InlineData("request.model", "\"nobody\"", 200, null)]
    [InlineData("request.max_new_tokens", "3", 400, "receipt.tokens")]
    [InlineData("request.max_new_tokens", "0", 400, "receipt.request.max_new_tokens")]
    [InlineData("request.temperature", "-1", 400, "receipt.request.temperature")]
    [InlineData("request.temperature", "\"hot\"", 400, "receipt.request.temperature")]
    [InlineData("request.prompt_ids", "[]", 400, "receipt.request.prompt_ids")]
    [InlineData("request.prompt_ids", "[-1]", 400, "receipt.request.prompt_ids[0]")]
    [InlineData("request.extra", "1", 400, "receipt.request.extra")]
    [InlineData("request.seed", "null", 400, "receipt.request.seed")]
    public async Task A_hostile_receipt_gets_an_error_that_names_its_field(string place, string value, int status, string? param)
    {
        var body = new JsonObject { ["receipt"] = Receipts(await App.OkAsync("/v1/completions", Completion))[0].DeepClone() };
        var target = body["receipt"]!;
        if (place.StartsWith("request.", StringComparison.Ordinal))
        {
            (target, place) = (target["request"]!, place["request.".Length..]);
        }

        if (place.Split('[') is [var list, var index])
        {
            target[list]![int.Parse(index[..^1], null)] = JsonNode.Parse(value);
        }
        else
        {
            target[place] = JsonNode.Parse(value);
        }

        var (answered, answer) = await App.PostAsync("/v1/verify", body.ToJsonString());
        Assert.True(status == answered, answer.ToJsonString());
        Assert.Equal(param, (string?)answer["error"]?["param"]);
        Assert.True(status != 200 || !(bool)answer["verified"]!);
    }

    [Fact]
    public async Task A_body_that_is_no_receipt_or_too_large_is_refused_and_a_name_of_another_model_does_not_matter()
    {
        var (status, body) = await App.PostAsync("/v1/verify", "{}");
        Assert.Equal((400, "receipt"), (status, (string?)body["error"]!["param"]));
        (status, body) = await App.PostAsync("/v1/verify", """{"receipt":7}""");
        Assert.Equal((400, "receipt"), (status, (string?)body["error"]!["param"]));
        await using var small = await GatewayApp.StartAsync(("Gateway:MaxRequestBodyBytes", "2048"));
        (status, _) = await small.PostAsync("/v1/verify", $$"""{"receipt":"{{new string('x', 4000)}}"}""");
        Assert.Equal(413, status);
        var receipt = Receipts(await App.OkAsync("/v1/completions", Completion))[0];
        await using var app = await GatewayApp.StartAsync();
        app.Grid.Models = [FakeSequenceService.Model with { Id = "called-otherwise" }];
        Assert.True((bool)(await VerifyAsync(receipt, app))["verified"]!);
        app.Grid.Models = [FakeSequenceService.Model with { NumericsId = "grid-1-new" }];
        (status, body) = await app.PostAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());
        Assert.Equal((409, "numerics_changed"), (status, (string?)body["error"]!["code"]));
    }

    private static List<JsonNode> Receipts(JsonNode answer) => answer switch
    {
        JsonArray list => [.. list.SelectMany(item => Receipts(item!))],
        _ when answer["meta_info"] is { } meta => meta["receipt"] is { } receipt ? [receipt] : [],
        _ => [.. (answer["choices"]?.AsArray() ?? []).Select(choice => choice!["receipt"]).OfType<JsonNode>()],
    };

    private static string Seed(string path, JsonNode receipt) => path == "/generate" ? "" : $",\"seed\":{receipt["request"]!["seed"]}";

    private Task<JsonNode> VerifyAsync(JsonNode receipt, GatewayApp? app = null) =>
        (app ?? App).OkAsync("/v1/verify", new JsonObject { ["receipt"] = receipt.DeepClone() }.ToJsonString());

    private static async IAsyncEnumerable<SequenceUpdate> Changed(IAsyncEnumerable<SequenceUpdate> updates, int index)
    {
        int at = 0;
        await foreach (var update in updates)
        {
            var token = update.Tokens[0];
            yield return at++ == index ? update with { Tokens = [token with { Digest = token.Digest!.Value with { First = 7 } }] } : update;
        }
    }

    private static async Task AssertNotFoundAsync(GatewayApp app, string path, string words)
    {
        using var response = await app.Client.GetAsync($"/v1/sequences/{path}", Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("receipt_not_found", text, StringComparison.Ordinal);
        Assert.Contains(words, text, StringComparison.Ordinal);
    }

    private static string NewKey(TemporaryFolder folder, string name, out string digest)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        digest = Hex(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
        return folder.Write(name, key.ExportECPrivateKeyPem());
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
