using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Gateway.Access;
using Grid.Gateway.Tests.Fakes;
using Grid.Options;
using Grid.Sequences;
using Microsoft.AspNetCore.Routing;

namespace Grid.Gateway.Tests;

/// <summary>Who may ask what: keys, scopes, the port of operations.</summary>
public sealed class AccessTests : IDisposable
{
    private const string Alice = "alice-0123456789abcdef";
    private const string Bob = "bob-0123456789abcdef-x";
    private const string Ops = "operator-0123456789abcd";
    private const string Wrong = "wrong-0123456789abcdef";

    /// <summary>What has sequences run, or tells what that takes to know. What is neither here nor open is for operators: one that is new
    /// is safe before anybody thinks of it.</summary>
    private static readonly string[] s_inference =
    [
        "/v1/chat/completions", "/v1/completions", "/generate", "/v1/sequences/{id}/events", "/v1/sequences/{id}/receipt",
        "/v1/sequences/{id}/replay", "/v1/verify", "/v1/models", "/v1/models/{**id}",
        "/get_model_info", "/model_info", "/version", "/tokenize", "/detokenize", "/health_generate",
    ];
    private static readonly string[] s_open = ["/livez", "/readyz", "/health"];

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Keys => _folder.Write("keys.json", $$"""
        {"keys":[
          {"name":"alice","key":"{{Alice}}","max_requests":3,"max_requests_per_minute":90,"max_tokens":600},
          {"name":"bob","key":"sha256:{{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(Bob)))}}","scopes":["inference"]},
          {"name":"ops","key":"{{Ops}}","scopes":["operate"]}]}
        """);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_endpoint_asks_for_a_key_of_its_scope_and_tells_none()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:ApiKeyFile", Keys));
        var said = new StringBuilder();
        var endpoints = app.Endpoints.SelectMany(endpoint => endpoint.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods.Select(method => (method, endpoint.RoutePattern.RawText!))).ToArray();
        Assert.Empty(s_open.Concat(s_inference).Append("/flush_cache").Append("/v1/grid").Except(endpoints.Select(endpoint => endpoint.Item2)));
        foreach (var (method, path) in endpoints)
        {
            var (right, other) = s_inference.Contains(path) ? (Bob, Ops) : (Ops, Alice);
            if (s_open.Contains(path))
            {
                foreach (string? key in new[] { null, Wrong, Bob, Ops })
                {
                    Assert.Equal(200, await StatusAsync(key));
                }
                continue;
            }
            Assert.True(await StatusAsync(null) == 401, $"{method} {path} needs no key.");
            Assert.Equal(401, await StatusAsync(Wrong));
            Assert.True(await StatusAsync(other) == 403, $"{method} {path} takes a key of the other scope.");
            Assert.False(await StatusAsync(right) is 401 or 403, $"{method} {path} does not take a key of its scope.");

            async Task<int> StatusAsync(string? key)
            {
                using var answer = await SendAsync(app, key, method, path.Replace("{id}", "5c1f", StringComparison.Ordinal).Replace("{**id}", "tiny", StringComparison.Ordinal));
                said.Append(answer.Headers).Append(await answer.Content.ReadAsStringAsync(Token));
                return (int)answer.StatusCode;
            }
        }
        said.AppendJoin('\n', app.Logs.Lines);
        Assert.All(new[] { Alice, Bob, Ops, Wrong }, key => Assert.DoesNotContain(key, said.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_has_no_key_or_a_wrong_one_is_told_so_as_OpenAI_does()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:ApiKeyFile", Keys));
        foreach (var (key, status, code) in new[] { (null, 401, "missing_api_key"), (Wrong, 401, "invalid_api_key"), (Ops, 403, "insufficient_scope") })
        {
            using var answer = await SendAsync(app, key, "POST", "/v1/completions");
            Assert.Equal((status, code), ((int)answer.StatusCode, (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!["code"]!));
            Assert.Equal(status == 401 ? "Bearer" : "", answer.Headers.WwwAuthenticate.ToString());
        }
        // What there is not, there is not for anybody.
        using var none = await SendAsync(app, null, "GET", "/v2/poems");
        Assert.Equal(404, (int)none.StatusCode);
        using var other = await SendAsync(app, null, "DELETE", "/generate");
        Assert.Equal(405, (int)other.StatusCode);
    }

    [Theory]
    [InlineData("Grid:ApiKey", true, true)]
    [InlineData("Grid:AdminApiKey", false, true)]
    public async Task A_key_alone_is_for_all_that_no_other_is_for(string option, bool inference, bool operate)
    {
        await using var app = await GatewayApp.StartAsync((option, Alice));
        Assert.Equal(inference ? 401 : 200, await StatusAsync(app, null, "/v1/models"));
        Assert.Equal(operate ? 401 : 200, await StatusAsync(app, Wrong, "/v1/grid"));
        Assert.Equal(200, await StatusAsync(app, Alice, "/v1/models"));
        Assert.Equal(200, await StatusAsync(app, Alice, "/v1/grid"));
        await using var both = await GatewayApp.StartAsync(("Grid:ApiKey", Alice), ("Grid:AdminApiKey", Ops));
        Assert.Equal((200, 403), (await StatusAsync(both, Alice, "/v1/models"), await StatusAsync(both, Alice, "/v1/grid")));
        Assert.Equal((403, 200), (await StatusAsync(both, Ops, "/v1/models"), await StatusAsync(both, Ops, "/v1/grid")));
    }

    [Fact]
    public async Task A_named_key_is_a_client_with_a_cache_of_its_own_and_is_told_what_it_may_have()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:ApiKeyFile", Keys));
        app.Grid.Allowance = new(new ClientQuota(3, 600, 90), 2, TimeSpan.FromSeconds(58), 590, TimeSpan.FromSeconds(0.5));
        using var answer = await SendAsync(app, Alice, "POST", "/v1/completions", "{\"prompt\":\"x\",\"cache_salt\":\"s\"}");
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal(
            ["90", "2", "58s", "600", "590", "1s"],
            RateLimitHeaders.Names.Select(name => answer.Headers.GetValues(name).Single()));
        using var plain = await SendAsync(app, Bob, "POST", "/v1/completions", "{\"prompt\":\"x\"}");
        Assert.Equal([("key alice", "alice\ns"), ("key bob", "bob\n")], app.Grid.Started.Select(spec => (spec.Client, spec.CacheSalt)));
        Assert.Contains(app.Logs.Lines, line => line.Contains("key alice", StringComparison.Ordinal));

        // One key that all have is no name.
        await using var shared = await GatewayApp.StartAsync(("Grid:ApiKey", Alice));
        using var one = await SendAsync(shared, Alice, "POST", "/v1/completions", "{\"prompt\":\"x\",\"cache_salt\":\"s\"}");
        Assert.Equal(("address 127.0.0.1", "s"), app.Grid.Started.IsEmpty ? default : shared.Grid.Started.Select(spec => (spec.Client, spec.CacheSalt)).Single());
        Assert.DoesNotContain(one.Headers, header => header.Key.StartsWith("x-ratelimit", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_keys_own_limits_come_before_those_of_all()
    {
        var keys = new ApiKeys(new AccessOptions { ApiKeyFile = Keys }, new SequencesOptions { MaxClientRequests = 9, MaxClientRequestsPerMinute = 80 });
        Assert.Equal(new ClientQuota(3, 600, 90), keys.Of("key alice"));
        Assert.Equal(new ClientQuota(9, null, 80), keys.Of("key bob"));
        Assert.Equal(new ClientQuota(9, null, 80), keys.Of("address alice"));
    }

    [Fact]
    public async Task A_stream_goes_on_and_its_receipt_is_shown_for_its_own_key_alone()
    {
        await using var app = (await GatewayApp.StartAsync(("Grid:ApiKeyFile", Keys))).WithEventIds();
        using var begun = await SendAsync(app, Alice, "POST", "/v1/completions", "{\"prompt\":\"x\",\"stream\":true,\"receipt\":true}");
        string id = begun.Headers.GetValues("X-Sequence-Id").Single();
        await begun.Content.ReadAsStringAsync(Token);
        foreach (string what in new[] { "events", "receipt" })
        {
            Assert.Equal(404, await StatusAsync(app, Bob, $"/v1/sequences/{id}/{what}"));
            Assert.Equal(200, await StatusAsync(app, Alice, $"/v1/sequences/{id}/{what}"));
        }

        using var others = await SendAsync(app, Bob, "POST", $"/v1/sequences/{id}/replay", "{}");
        using var own = await SendAsync(app, Alice, "POST", $"/v1/sequences/{id}/replay", "{}");
        Assert.Equal((404, 200), ((int)others.StatusCode, (int)own.StatusCode));
    }

    [Fact]
    public async Task A_key_that_is_taken_back_is_refused_soon_and_a_broken_file_changes_nothing()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:ApiKeyFile", Keys));
        Assert.Equal(200, await StatusAsync(app, Alice, "/v1/models"));
        _folder.Write("keys.json", $"{{\"keys\":[{{\"name\":\"carol\",\"key\":\"{Wrong}\"}}]}}");
        await Until.HoldsAsync(async () => await StatusAsync(app, Wrong, "/v1/models") == 200, "The new key was never taken.");
        Assert.Equal(401, await StatusAsync(app, Alice, "/v1/models"));
        _folder.Write("keys.json", $"{{\"keys\":[{{\"name\":\"carol\",\"kee\":\"{Alice}\"}}]}}");
        await Until.HoldsAsync(
            async () => await StatusAsync(app, Wrong, "/v1/models") == 200 && app.Logs.Lines.Any(line => line.Contains("cannot be used", StringComparison.Ordinal)),
            "The broken file was never told of.");
        Assert.DoesNotContain(app.Logs.Lines, line => line.Contains(Alice, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"keys":[{"name":"a b","key":"0123456789abcdef"}]}""", "where keys[0].name must be 1 to 100 letters")]
    [InlineData("""{"keys":[{"name":"a","key":"hush"}]}""", "where keys[0].key must have at least 16 characters")]
    [InlineData("""{"keys":[{"name":"a","key":"sha256:hush"}]}""", "where keys[0].key must have 64 hexadecimal digits")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef","scopes":["root"]}]}""", "where keys[0].scopes must be some of inference, operate")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef","max_tokens":0}]}""", "where keys[0].max_tokens must be above 0")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef","max_requests_per_minute":-1}]}""", "where keys[0].max_requests_per_minute must be above 0")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef","max_tokens":"many"}]}""", "it is wrong at $.keys[0].max_tokens, line 1")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef","hush":1}]}""", "it is wrong at $.keys[0]")]
    [InlineData("""{"keys":[{"name":"a"}]}""", "it is wrong at $.keys[0]")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef"},{"name":"a","key":"0123456789abcdeg"}]}""", "where two keys are named 'a'")]
    [InlineData("""{"keys":[{"name":"a","key":"0123456789abcdef"},{"name":"b","key":"0123456789abcdef"}]}""", "where 'a' and 'b' have the same key")]
    [InlineData("0123456789abcdef", "it is wrong at $, line 1")]
    public void A_wrong_file_is_refused_by_place_and_rule(string json, string sentence)
    {
        var refused = Assert.Throws<StartException>(() => new ApiKeys(new AccessOptions { ApiKeyFile = _folder.Write("wrong.json", json) }, new SequencesOptions()));
        Assert.Contains(sentence, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789abcdef", refused.Message, StringComparison.Ordinal);
        Assert.Equal(StartException.Usage, refused.ExitCode);
    }

    [Fact]
    public void Keys_that_protect_nothing_and_files_that_are_not_there_are_refused()
    {
        string Refused(AccessOptions options) => Assert.Throws<StartException>(() => AccessHosting.Check(options, new SequencesOptions())).Message;
        Assert.Equal("--api-key has 5 characters; it must have at least 16, all of them printable ASCII without spaces.", Refused(new() { ApiKey = "hush!" }));
        Assert.StartsWith("--admin-api-key has 5 characters", Refused(new() { AdminApiKey = "hush!" }), StringComparison.Ordinal);
        Assert.StartsWith("--api-key-file is '/no/such/file', which cannot be read", Refused(new() { ApiKeyFile = "/no/such/file" }), StringComparison.Ordinal);
    }

    /// <summary>Whatever host a request names.</summary>
    [Fact]
    public async Task Operations_have_a_port_of_their_own_where_they_are_given_one()
    {
        await using var app = await GatewayApp.StartAsync(("Grid:OperatePort", "0"), ("Grid:AdminApiKey", Ops), ("Grid:OpenMetrics", "true"));
        using var operate = new HttpClient { BaseAddress = app.Addresses[1] };
        foreach (string path in new[] { "/v1/grid", "/v1/loads", "/get_server_info" })
        {
            app.Client.DefaultRequestHeaders.Host = $"localhost:{app.Addresses[1].Port}";
            using var wrong = await SendAsync(app, Ops, "GET", path);
            Assert.Equal((403, "operate_port"), ((int)wrong.StatusCode, (string)JsonNode.Parse(await wrong.Content.ReadAsStringAsync(Token))!["error"]!["code"]!));
            using var none = await operate.GetAsync(path, Token);
            Assert.Equal(401, (int)none.StatusCode);
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", Ops) } };
            using var right = await operate.SendAsync(request, Token);
            Assert.Equal(200, (int)right.StatusCode);
        }
        foreach (string path in new[] { "/livez", "/metrics" })
        {
            Assert.Equal(200, await StatusAsync(app, null, path));
            using var there = await operate.GetAsync(path, Token);
            Assert.Equal(200, (int)there.StatusCode);
        }
        Assert.Equal(200, await StatusAsync(app, null, "/v1/models"));
    }

    private static async Task<int> StatusAsync(GatewayApp app, string? key, string path)
    {
        using var answer = await SendAsync(app, key, "GET", path);
        return (int)answer.StatusCode;
    }

    private static async Task<HttpResponseMessage> SendAsync(GatewayApp app, string? key, string method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        return await app.Client.SendAsync(request, Token);
    }
}
