using System.Net;
using System.Text.Json;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Resumption;
using Grid.Tests.Streams;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Gateway.Tests;

/// <summary>A stream goes on after any of its events, on another gateway, and says exactly the rest.</summary>
public sealed class ResumeTests : IAsyncLifetime
{
    private const string Endless = "{\"prompt\":\"x\",\"stream\":true}";

    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UnixEpoch.AddYears(50));
    private MemoryRequestStore _store = null!;
    private GatewayApp _first = null!;
    private GatewayApp _second = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = new MemoryRequestStore(TimeSpan.FromMinutes(5), MemoryRequestStore.DefaultMaxBytes, _clock);
        _first = (await GatewayApp.StartAsync(_store)).WithEventIds();
        _second = (await GatewayApp.StartAsync(_store)).WithEventIds();
    }

    public async ValueTask DisposeAsync()
    {
        await _first.DisposeAsync();
        await _second.DisposeAsync();
    }

    [Theory]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"ü\"}],\"n\":2,\"logprobs\":true,\"top_logprobs\":2,\"metadata\":{\"a\":\"b\"},\"stream_options\":{\"include_usage\":true}")]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":0,\"max_tokens\":7")]
    [InlineData("/v1/completions", "{\"prompt\":[\"One\",\"and two\"],\"n\":2,\"echo\":true,\"logprobs\":2,\"seed\":-3,\"stream_options\":{\"include_usage\":true}")]
    [InlineData("/v1/completions", "{\"prompt\":[[1,2,3]],\"echo\":true,\"max_tokens\":0,\"logprobs\":1")]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":5")]
    [InlineData("/generate", "{\"text\":[\"One\",\"two\"],\"sampling_params\":{\"n\":2},\"return_logprob\":true,\"logprob_start_len\":1,\"top_logprobs_num\":1,\"rid\":\"mine\"")]
    [InlineData("/generate", "{\"input_ids\":[4,5],\"sampling_params\":{\"max_new_tokens\":9}")]
    public async Task After_any_event_comes_exactly_the_rest(string path, string json)
    {
        var whole = await EventsAsync(_first, path, json + ",\"stream\":true}");
        string expected = new Told().Take(whole).ToString();
        Assert.All(whole, e => Assert.NotNull(e.Id));
        string id = whole[0].Id!.Split(':')[0];

        // The same is asked of the grid, in every field; and as many tokens as the context allowed then, by number.
        await ResumeAsync(_second, id, null);
        // Workers may know the sequences by the names they had then.
        var settled = _first.Grid.Started.Zip(_first.Grid.Sequences, (spec, sequence) => spec with
        {
            Generation = spec.Generation with { MaxNewTokens = sequence.MaxNewTokens },
            Resumed = new ResumedRun(sequence.Id, 0, 0),
        });
        Assert.Equal(settled.Select(spec => JsonSerializer.Serialize(spec)), _second.Grid.Started.Select(spec => JsonSerializer.Serialize(spec)));

        // Elsewhere, tokens come grouped in other ways.
        foreach (int group in new[] { 1, 3, 100 })
        {
            _second.Grid.Script = spec => Grouped(spec, group);
            Assert.Equal(expected, new Told().Take(await ResumeAsync(_second, id, null)).ToString());
            for (int i = 0; i < whole.Count - 1; i++)
            {
                var rest = await ResumeAsync(_second, id, whole[i].Id);
                Assert.Equal(expected, new Told().Take(whole.Take(i + 1)).Take(rest).ToString());
                Assert.All(rest.SkipLast(1), e => Assert.Equal(Envelope(whole[0]), Envelope(e)));
            }
        }
        using var nothing = await GetAsync(_second, id, whole[^1].Id);
        Assert.Equal(HttpStatusCode.NoContent, nothing.StatusCode);

        // Those of the resumed stream resume as well, and by query too.
        var half = whole[..((whole.Count + 1) / 2)];
        var middle = await ResumeAsync(_second, id, half[^1].Id);
        var first = middle[..((middle.Count + 1) / 2)];
        using var asked = await _first.Client.GetAsync($"/v1/sequences/{id}/events?last_event_id={Uri.EscapeDataString(first[^1].Id!)}", Token);
        var last = first[^1].Data == "[DONE]" ? [] : GatewayApp.ReadEvents(await asked.Content.ReadAsStringAsync(Token));
        Assert.Equal(expected, new Told().Take(half).Take(first).Take(last).ToString());
    }

    /// <summary>Whoever has seen an answer, or its id in a log, cannot read the rest of its stream or end it.</summary>
    [Fact]
    public async Task A_stream_is_found_by_the_id_that_its_caller_got_and_not_by_the_one_its_answer_shows()
    {
        using var response = await _first.SendAsync("/v1/completions", Endless);
        var completion = GatewayApp.ReadEvents(await response.Content.ReadAsStringAsync(Token));
        string secret = response.Headers.GetValues("X-Sequence-Id").Single(), shown = (string)completion[0].Json["id"]!;
        Assert.All(completion, e => Assert.StartsWith($"{secret}:", e.Id, StringComparison.Ordinal));
        Assert.DoesNotContain(completion, e => e.Data.Contains(secret, StringComparison.Ordinal));
        Assert.Equal(completion.Select(e => e.Data), (await ResumeAsync(_second, secret, null)).Select(e => e.Data));
        foreach (string? id in new[] { shown, shown["cmpl-".Length..] })
        {
            using var refused = await GetAsync(_second, id, null);
            await AssertErrorAsync(refused, HttpStatusCode.NotFound, "stream_not_found", "");
        }
    }

    [Fact]
    public async Task Streams_that_would_keep_too_much_are_refused_until_others_are_let_go_of()
    {
        await using var small = (await GatewayApp.StartAsync(("Gateway:MaxTotalKeptBytes", "2500"))).WithEventIds();
        await EventsAsync(small, "/v1/completions", Endless);
        HttpResponseMessage refused;
        while ((refused = await small.SendAsync("/v1/completions", Endless)).IsSuccessStatusCode)
        {
            refused.Dispose();
        }
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 450);
        await AssertErrorAsync(refused, HttpStatusCode.TooManyRequests, "overloaded", "without 'stream'");
        refused.Dispose();
        await small.OkAsync("/v1/completions", "{\"prompt\":\"x\"}");
    }

    /// <summary>The budget holds about three records.</summary>
    [Fact]
    public async Task A_flood_of_streams_that_are_kept_disturbs_neither_what_runs_nor_what_is_not_kept()
    {
        await using var small = (await GatewayApp.StartAsync(("Gateway:MaxTotalKeptBytes", "2500"))).WithEventIds();
        var whole = await small.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"seed\":4}");
        using var held = new SemaphoreSlim(0);
        small.Grid.Script = spec => spec.PromptText == "held" ? HeldAsync(spec) : FakeAnswers.Default(spec, [1]);
        using var running = new LiveStream(small, "/v1/completions", "{\"prompt\":\"held\",\"seed\":4,\"stream\":true}");
        await running.NextAsync(_ => true);

        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => small.SendAsync("/v1/completions", Endless)));
        Assert.InRange(answers.Count(answer => answer.IsSuccessStatusCode), 1, 10);
        foreach (var answer in answers.Where(answer => !answer.IsSuccessStatusCode))
        {
            Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 450);
            await AssertErrorAsync(answer, HttpStatusCode.TooManyRequests, "overloaded", "without 'stream'");
        }
        Array.ForEach(answers, answer => answer.Dispose());

        var again = await small.OkAsync("/v1/completions", "{\"prompt\":\"x\",\"seed\":4}");
        Assert.Equal((string)whole["choices"]![0]!["text"]!, (string)again["choices"]![0]!["text"]!);
        held.Release();
        await running.NextAsync(e => e.Data == "[DONE]");

        async IAsyncEnumerable<SequenceUpdate> HeldAsync(SequenceSpec spec)
        {
            yield return new SequenceUpdate { Text = "a", Tokens = [new('a', 0, [])] };
            await held.WaitAsync(Token);
            await foreach (var update in FakeAnswers.Default(spec, [1]))
            {
                yield return update;
            }
        }
    }

    [Fact]
    public async Task Only_sequences_that_are_not_told_to_their_end_run_again_and_with_their_own_seeds_and_bits()
    {
        _first.Grid.Script = spec => spec.Generation.Sampling.Seed % 2 == 0 ? FakeAnswers.Default(spec, [1]) : FakeAnswers.Endless();
        using var stream = new LiveStream(_first, "/v1/completions", "{\"prompt\":\"x\",\"n\":2,\"seed\":6,\"stream\":true}");
        var e = await stream.NextAsync(e => e.Id!.Contains('.', StringComparison.Ordinal) && e.Id.EndsWith("2/2", StringComparison.Ordinal));
        await ResumeAsync(_second, e.Id!.Split(':')[0], e.Id);
        var again = Assert.Single(_second.Grid.Started);
        Assert.Equal((7ul, FakeSequenceService.Model.NumericsId), (again.Generation.Sampling.Seed, again.NumericsId));
    }

    /// <summary>All but the last known token, with which the sequence may have ended; none where events repeat the scores.</summary>
    [Theory]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"logprobs\":1", true)]
    [InlineData("/v1/completions", "{\"prompt\":\"x\",\"logprobs\":1,\"echo\":true", false)]
    [InlineData("/generate", "{\"text\":\"x\"", true)]
    [InlineData("/generate", "{\"text\":\"x\",\"return_logprob\":true", false)]
    public async Task What_the_client_has_is_looked_for_at_the_workers(string path, string json, bool isEnough)
    {
        var whole = await EventsAsync(_first, path, json + ",\"stream\":true}");
        string id = whole[0].Id!.Split(':')[0];
        var name = Assert.Single(_first.Grid.Sequences).Id;
        foreach (var e in whole.TakeWhile(e => !e.Id!.EndsWith('.') && !e.Id.EndsWith("end", StringComparison.Ordinal)))
        {
            _second.Grid.Started.Clear();
            await ResumeAsync(_second, id, e.Id);
            int tokens = int.Parse(e.Id!.Split(':', '/')[1], System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal(new ResumedRun(name, isEnough ? tokens - 1 : 0, tokens), Assert.Single(_second.Grid.Started).Resumed);
        }
    }

    [Fact]
    public async Task A_resumed_stream_ends_the_older_one_on_its_gateway()
    {
        _first.Grid.Script = _ => FakeAnswers.Endless();
        using var older = new LiveStream(_first, "/v1/completions", Endless);
        var e = await older.NextAsync(_ => true);
        using var newer = new LiveStream(_first, $"/v1/sequences/{e.Id!.Split(':')[0]}/events", null);
        await newer.NextAsync(_ => true);
        var end = await older.NextAsync(e => e.Data.Contains("\"error\"", StringComparison.Ordinal));
        Assert.Equal("stream_resumed", (string)end.Json["error"]!["code"]!);
        Assert.Equal(e.Id, end.Id);
        await older.NextAsync(e => e.Data == "[DONE]");
        await _first.Grid.Sequences.First().Disposed.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_resumption_that_waits_for_a_worker_is_ended_by_the_next_one_and_never_runs()
    {
        string id = (await EventsAsync(_first, "/v1/completions", Endless))[0].Id!.Split(':')[0];
        var waits = new TaskCompletionSource();
        _second.Grid.Admission = token =>
        {
            waits.TrySetResult();
            return Task.Delay(Timeout.Infinite, token);
        };
        var waiting = GetAsync(_second, id, null);
        await waits.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        _second.Grid.Admission = null;
        Assert.NotEmpty(await ResumeAsync(_second, id, null));
        using var ended = await waiting.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await AssertErrorAsync(ended, HttpStatusCode.Conflict, "stream_resumed", "it goes on there");
        Assert.Single(_second.Grid.Started);
    }

    [Fact]
    public async Task A_failed_stream_can_be_resumed_where_it_failed()
    {
        _first.Grid.Script = _ => FakeAnswers.Of(
            new SequenceUpdate { Text = "Se", Tokens = [new('S', 0, []), new('e', 0, [])] },
            new SequenceUpdate { FinishReason = "error", Error = "lost" });
        var failed = await EventsAsync(_first, "/v1/completions", "{\"prompt\":\"x\",\"seed\":4,\"max_tokens\":40,\"stream\":true}");
        Assert.Equal(3, failed.Count);
        Assert.Single(failed.Select(e => e.Id).Distinct());
        var rest = await ResumeAsync(_second, failed[0].Id!.Split(':')[0], failed[^1].Id);
        Assert.StartsWith($"0: '{FakeAnswers.TextOf(4)}' [stop", new Told().Take(failed[..1]).Take(rest).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("{id}")]
    [InlineData("{id}:")]
    [InlineData("{id}:3")]
    [InlineData("{id}:3/-4")]
    [InlineData("{id}:+3/4")]
    [InlineData("{id}:3/4,")]
    [InlineData("{id}:3/4..")]
    [InlineData("{id}:99999999999/4")]
    [InlineData("{id}:End")]
    [InlineData("{id}:3/4,5/6", "one with the positions of 1 sequences")]
    [InlineData("00000000000000000000000000000000:3/4", "an id of an event of this stream")]
    public async Task An_id_that_no_event_had_is_refused(string lastEventId, string rule = "an id as the stream's events have it")
    {
        string id = (await EventsAsync(_first, "/v1/completions", Endless))[0].Id!.Split(':')[0];
        using var response = await _second.Client.GetAsync($"/v1/sequences/{id}/events?last_event_id={Uri.EscapeDataString(lastEventId.Replace("{id}", id, StringComparison.Ordinal))}", Token);
        await AssertErrorAsync(response, HttpStatusCode.BadRequest, "invalid_last_event_id", rule);
        Assert.Empty(_second.Grid.Started);
    }

    [Theory]
    [InlineData("900/3")]
    [InlineData("3/900")]
    [InlineData("900/900")]
    public async Task A_place_beyond_the_end_is_an_error_and_not_an_empty_rest(string place)
    {
        string id = (await EventsAsync(_first, "/v1/completions", Endless))[0].Id!.Split(':')[0];
        using var response = await GetAsync(_second, id, $"{id}:{place}");
        var events = GatewayApp.ReadEvents(await response.Content.ReadAsStringAsync(Token));
        Assert.Equal("invalid_last_event_id", (string)events[^2].Json["error"]!["code"]!);
    }

    [Fact]
    public async Task What_is_unknown_or_has_expired_is_not_found()
    {
        string id = (await EventsAsync(_first, "/v1/completions", Endless))[0].Id!.Split(':')[0];
        foreach (string? unknown in new[] { "nothing", "cmpl-1", Guid.NewGuid().ToString("N") })
        {
            using var response = await GetAsync(_second, unknown, null);
            await AssertErrorAsync(response, HttpStatusCode.NotFound, "stream_not_found", unknown);
        }
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.NotEmpty(await ResumeAsync(_second, id, null));
        _clock.Advance(TimeSpan.FromMinutes(8));
        using var expired = await GetAsync(_second, id, null);
        await AssertErrorAsync(expired, HttpStatusCode.NotFound, "stream_not_found", "300 s (--sequence-retention)");
        Assert.Equal(0, _store.Count);
    }

    [Fact]
    public async Task Other_bits_do_not_go_on_with_a_stream()
    {
        string id = (await EventsAsync(_first, "/v1/completions", Endless))[0].Id!.Split(':')[0];
        _second.Grid.Models = [FakeSequenceService.Model with { NumericsId = "grid-2-other" }];
        using var other = await GetAsync(_second, id, null);
        await AssertErrorAsync(other, HttpStatusCode.Conflict, "numerics_changed", "grid-2-other");
        _second.Grid.Models = [];
        using var none = await GetAsync(_second, id, null);
        await AssertErrorAsync(none, HttpStatusCode.ServiceUnavailable, "service_unavailable", "\"tiny\"");
    }

    [Fact]
    public async Task A_store_that_fails_once_or_twice_costs_a_stream_nothing()
    {
        await using var app = (await GatewayApp.StartAsync(new FlakyStore(_store) { Failures = 2 })).WithEventIds();
        var events = await EventsAsync(app, "/v1/completions", Endless);
        Assert.All(events, e => Assert.NotNull(e.Id));
        Assert.NotEmpty(await ResumeAsync(_second, events[0].Id!.Split(':')[0], events[0].Id));
    }

    [Fact]
    public async Task A_stream_whose_request_is_kept_late_has_ids_from_then_on_and_goes_on_after_them()
    {
        const string Request = "{\"prompt\":\"x\",\"seed\":6,\"stream\":true}";
        var (there, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var app = (await GatewayApp.StartAsync(new FlakyStore(_store) { There = there.Task })).WithEventIds();
        app.Grid.Script = spec => Held(spec, goOn.Task);
        using var stream = new LiveStream(app, "/v1/completions", Request);
        var events = new List<ServerSentEvent> { await stream.NextAsync(_ => true) };
        Assert.Null(events[0].Id);
        there.SetResult();
        await Until.HoldsAsync(() => _store.Count > 0, "The request was not kept.");
        await Task.Delay(100, Token); // The gateway hears of it.
        goOn.SetResult();
        while (events[^1].Id is null)
        {
            events.Add(await stream.NextAsync(_ => true));
        }
        Assert.NotEqual("[DONE]", events[^1].Data);
        events.AddRange(await ResumeAsync(_second, events[^1].Id!.Split(':')[0], events[^1].Id));
        Assert.Equal(new Told().Take(await EventsAsync(_first, "/v1/completions", Request)).ToString(), new Told().Take(events).ToString());
    }

    [Fact]
    public async Task A_store_that_fails_costs_a_stream_its_ids_and_nothing_else()
    {
        await using var app = (await GatewayApp.StartAsync(new BrokenStore())).WithEventIds();
        for (int i = 0; i < 2; i++)
        {
            var events = await EventsAsync(app, "/v1/completions", Endless);
            Assert.All(events, e => Assert.Null(e.Id));
        }
        Assert.Single(app.Logs.Lines, line => line.Contains("could not be kept", StringComparison.Ordinal));
        using var response = await GetAsync(app, Guid.NewGuid().ToString("N"), null);
        await AssertErrorAsync(response, HttpStatusCode.ServiceUnavailable, "service_unavailable", "store");
    }

    [Fact]
    public async Task Streams_that_are_not_kept_have_no_ids()
    {
        await using var app = (await GatewayApp.StartAsync(store: null)).WithEventIds();
        Assert.All(await EventsAsync(app, "/generate", "{\"text\":\"x\",\"stream\":true}"), e => Assert.Null(e.Id));
        using var response = await GetAsync(app, Guid.NewGuid().ToString("N"), null);
        await AssertErrorAsync(response, HttpStatusCode.NotFound, "stream_not_found", "--sequence-retention 0");

        await using var small = (await GatewayApp.StartAsync(_store, ("Gateway:MaxKeptRequestBytes", "2000"))).WithEventIds();
        Assert.All(await EventsAsync(small, "/generate", $"{{\"text\":\"{new string('x', 2000)}\",\"stream\":true}}"), e => Assert.Null(e.Id));
        Assert.All(await EventsAsync(small, "/generate", "{\"text\":\"x\",\"sampling_params\":{\"max_new_tokens\":1},\"stream\":true}"), e => Assert.NotNull(e.Id));
        string prompts = string.Join(',', Enumerable.Repeat("\"x\"", 129));
        Assert.All(await EventsAsync(_first, "/generate", $"{{\"text\":[{prompts}],\"stream\":true}}"), e => Assert.Null(e.Id));
    }

    private static async Task<List<ServerSentEvent>> EventsAsync(GatewayApp app, string path, string json)
    {
        using var response = await app.SendAsync(path, json);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        return GatewayApp.ReadEvents(text);
    }

    private static async Task<HttpResponseMessage> GetAsync(GatewayApp app, string id, string? lastEventId)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{id}/events");
        if (lastEventId is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }
        return await app.Client.SendAsync(request, Token);
    }

    private static async Task<List<ServerSentEvent>> ResumeAsync(GatewayApp app, string id, string? lastEventId)
    {
        using var response = await GetAsync(app, id, lastEventId);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return GatewayApp.ReadEvents(text);
    }

    private static async Task AssertErrorAsync(HttpResponseMessage response, HttpStatusCode status, string code, string part)
    {
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == status, text);
        Assert.Contains($"\"code\":\"{code}\"", text, StringComparison.Ordinal);
        Assert.Contains(part, text.Replace("\\\"", "\"", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    /// <summary>What all events of an OpenAI stream have in common.</summary>
    private static string? Envelope(ServerSentEvent e)
    {
        if (e.Data == "[DONE]" || e.Json["object"] is null)
        {
            return null;
        }
        var json = e.Json.AsObject();
        json.Remove("choices");
        json.Remove("usage");
        return json.ToJsonString();
    }

    /// <summary>What a sequence says by default, so many updates made one.</summary>
    private static async IAsyncEnumerable<SequenceUpdate> Grouped(SequenceSpec spec, int group)
    {
        SequenceUpdate? gathered = null;
        int count = 0;
        int[] prompt = spec.PromptIds ?? FakeSequenceService.Text.Tokenizer.Encode(spec.PromptText!, spec.ParseSpecialTokens, spec.AddSpecialTokens);
        await foreach (var update in FakeAnswers.Default(spec, prompt))
        {
            gathered = gathered is null ? update : update with
            {
                Text = gathered.Text + update.Text,
                Tokens = [.. gathered.Tokens, .. update.Tokens],
                PromptTokens = [.. gathered.PromptTokens, .. update.PromptTokens],
                PromptFirstIndex = gathered.PromptTokens.Length > 0 ? gathered.PromptFirstIndex : update.PromptFirstIndex,
            };
            if (++count % group == 0 || update.FinishReason is not null)
            {
                yield return gathered;
                gathered = null;
            }
        }
    }

    /// <summary>What a sequence says by default, the first of it at once.</summary>
    private static async IAsyncEnumerable<SequenceUpdate> Held(SequenceSpec spec, Task goOn)
    {
        bool first = true;
        await foreach (var update in Grouped(spec, 1))
        {
            yield return update;
            if (first)
            {
                first = false;
                await goOn;
            }
        }
    }

    /// <summary>A store that fails at first, or is late.</summary>
    private sealed class FlakyStore(IRequestStore inner) : IRequestStore
    {
        public int Failures { get; set; }

        public Task There { get; init; } = Task.CompletedTask;

        public TimeSpan Retention => inner.Retention;

        public async Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken)
        {
            if (Failures-- > 0)
            {
                throw new TimeoutException("away");
            }
            await There.WaitAsync(cancellationToken);
            await inner.PutAsync(id, request, owner, life, cancellationToken);
        }

        public Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken) => inner.FindAsync(id, cancellationToken);

        public Task<global::Grid.Grains.Messages.RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken) =>
            inner.ClaimAsync(id, owner, life, cancellationToken);

        public Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken) => inner.RenewAsync(ids, life, cancellationToken);
    }

    internal sealed class BrokenStore : IRequestStore
    {
        public TimeSpan Retention => TimeSpan.FromMinutes(1);

        public Task PutAsync(Guid id, ReadOnlyMemory<byte> request, string owner, TimeSpan life, CancellationToken cancellationToken) =>
            throw new TimeoutException("away");

        public Task<byte[]?> FindAsync(Guid id, CancellationToken cancellationToken) => throw new TimeoutException("away");

        public Task<global::Grid.Grains.Messages.RequestClaim?> ClaimAsync(Guid id, string owner, TimeSpan life, CancellationToken cancellationToken) =>
            throw new TimeoutException("away");

        public Task RenewAsync(IReadOnlyCollection<Guid> ids, TimeSpan life, CancellationToken cancellationToken) => throw new TimeoutException("away");
    }
}
