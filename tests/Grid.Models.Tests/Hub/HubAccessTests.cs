namespace Grid.Models.Tests.Hub;

/// <summary>Where the token goes, and what a refusal says.</summary>
public sealed class HubAccessTests
{
    private static string Header => $"Bearer {LoopbackHub.Token}";

    [Fact]
    public async Task The_token_goes_to_the_hub_and_not_where_the_hub_redirects_to()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(2, 100));
        await bench.DownloadAsync(token: LoopbackHub.Token);
        Assert.All(bench.Hub.Requests, asked => Assert.Equal(Header, asked.Header("Authorization")));
        Assert.Equal(3, bench.Hub.StorageRequests.Count);
        Assert.All(bench.Hub.StorageRequests, asked => Assert.Null(asked.Header("Authorization")));
    }

    [Fact]
    public async Task The_token_does_not_come_back_with_a_redirect_from_elsewhere()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        string shard = LoopbackHub.Shard(1, 1);
        bench.Hub.AtStorage = asked => asked.Path[1..] == bench.Hub.ETag(shard) ? new Reply(302, []).With("Location", $"{bench.Hub.Address}back") : null;
        bench.Hub.AtHub = asked => asked.Path == "/back" ? new Reply(200, bench.Hub.Files[shard]) : null;
        await bench.DownloadAsync(token: LoopbackHub.Token);
        Assert.Null(bench.Hub.Requests.Single(asked => asked.Path == "/back").Header("Authorization"));
    }

    [Fact]
    public async Task The_token_stays_on_a_redirect_within_the_hub()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = asked => asked.Path.EndsWith("/resolve/" + LoopbackHub.Commit + "/config.json", StringComparison.Ordinal)
            ? new Reply(307, []).With("Location", "/api/resolve-cache/config.json?etag=x")
            : asked.Path.StartsWith("/api/resolve-cache/", StringComparison.Ordinal) ? new Reply(200, bench.Hub.Files["config.json"]) : null;
        await bench.DownloadAsync(token: LoopbackHub.Token);
        Assert.Equal(Header, bench.Hub.Requests.Single(asked => asked.Path.StartsWith("/api/resolve-cache/", StringComparison.Ordinal)).Header("Authorization"));
    }

    [Fact]
    public async Task Redirects_without_end_end()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = _ => new Reply(302, []).With("Location", "/again");
        Assert.Contains("redirects more than 10 times", await bench.RefusalAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(401, "", "Invalid credentials in Authorization header", true, "refuses the token from HF_TOKEN; make a new one at")]
    [InlineData(401, "RepoNotFound", "Invalid username or password.", false, "does not exist on 127.0.0.1", "no token is set")]
    [InlineData(404, "RepoNotFound", "Repository not found", true, "does not exist on 127.0.0.1", "the token from HF_TOKEN does not open it")]
    [InlineData(401, "GatedRepo", "Access is restricted", false, "grid/demo is gated: accept its conditions at", "then set HF_TOKEN")]
    [InlineData(403, "GatedRepo", "You are not in the list", true, "grid/demo is gated, and the token from HF_TOKEN has no access to it")]
    [InlineData(403, "", "Token lacks\tthe right", true, "forbids grid/demo with the token from HF_TOKEN (Token lacksthe right)")]
    [InlineData(404, "RevisionNotFound", "Invalid rev id: main", false, "grid/demo has no revision 'main'; name a branch, tag or commit")]
    [InlineData(400, "", "Bad", false, "answers 400 X (Bad)")]
    public async Task A_refusal_says_what_to_do(int status, string code, string words, bool withToken, params string[] messages)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = _ => LoopbackHub.Error(status, code, words);
        string message = await bench.RefusalAsync(token: withToken ? LoopbackHub.Token : null);
        Assert.All(messages, part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.DoesNotContain(LoopbackHub.Token, message, StringComparison.Ordinal);
        Assert.Single(bench.Hub.Requests);
    }

    [Fact]
    public async Task A_repository_and_a_revision_that_do_not_exist_are_named()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        Assert.Contains("grid/other does not exist", await bench.RefusalAsync("grid/other"), StringComparison.Ordinal);
        Assert.Contains("no revision 'v9'", await bench.RefusalAsync("grid/demo@v9"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_only_the_gate_keeps_are_explained_too()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = asked => asked.Path.Contains("/resolve/", StringComparison.Ordinal) ? LoopbackHub.Error(403, "GatedRepo") : null;
        Assert.Contains("is gated", await bench.RefusalAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_notice_and_no_refusal_holds_a_signed_address_or_a_token()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        int asks = 0;
        bench.Hub.AtStorage = _ => Interlocked.Increment(ref asks) < 3 ? new Reply(503, []) : new Reply(403, []);
        string message = await bench.RefusalAsync(token: LoopbackHub.Token);
        Assert.Contains("where the hub sends for it, refuses with 403", message, StringComparison.Ordinal);
        Assert.All(bench.Notices.Append(message), text =>
        {
            Assert.DoesNotContain("Signature", text, StringComparison.Ordinal);
            Assert.DoesNotContain(LoopbackHub.Token, text, StringComparison.Ordinal);
        });
        Assert.NotEmpty(bench.Notices);
    }

    [Theory]
    [InlineData("Retry-After", "7", 7)]
    [InlineData("RateLimit", "\"resolvers\";r=0;t=55", 56)]
    [InlineData("RateLimit", "\"resolvers\";r=10;t=55", 1)]
    [InlineData("X-Nothing", "1", 1)]
    public async Task A_busy_hub_is_asked_again_when_it_says(string header, string value, int seconds)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        int asks = 0;
        bench.Hub.AtHub = _ => Interlocked.Increment(ref asks) == 1 ? new Reply(429, []).With(header, value) : null;
        await bench.DownloadAsync();
        Assert.Equal([TimeSpan.FromSeconds(seconds)], bench.Time.Waits);
        Assert.Contains($"asks for fewer requests (429); again in {seconds} s", Assert.Single(bench.Notices), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hub_that_wants_to_be_left_alone_for_long_is()
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = _ => new Reply(429, []).With("Retry-After", "3600");
        Assert.Contains("asks to wait 3600 s", await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.Empty(bench.Time.Waits);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_hub_out_of_order_is_given_up_after_five_retries(int status)
    {
        await using var bench = new HubBench(LoopbackHub.WithShards(1, 100));
        bench.Hub.AtHub = _ => new Reply(status, []);
        Assert.Contains($"is out of order ({status}), 6 times in a row", await bench.RefusalAsync(), StringComparison.Ordinal);
        Assert.Equal([1, 2, 4, 8, 16], bench.Time.Waits.Select(wait => wait.TotalSeconds));
    }
}
