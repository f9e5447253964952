using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Threading.Channels;
using Grid.Clustering;
using Grid.Gateway.Caching;
using Grid.Gateway.Node;
using Grid.Gateway.Requests;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Options;
using Grid.Resumption;
using Grid.Tests.Streams;
using Microsoft.Extensions.DependencyInjection;

namespace Grid.Gateway.Tests;

/// <summary>Equal requests are computed once: those at one time read one sequence, later ones what is remembered.</summary>
public sealed partial class AnswerCacheTests : IAsyncLifetime
{
    private const string Greedy = """{"prompt":"Once","max_tokens":8,"temperature":0}""";

    private readonly DictionaryStore _store = new();
    private GatewayApp _app = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private AnswerCache Cache => _app.Services.GetRequiredService<AnswerCache>();

    public async ValueTask InitializeAsync() => _app = await StartAsync();

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    [Fact]
    public async Task Equal_requests_at_once_are_one_sequence_and_each_is_told_all_of_it_in_its_own_way()
    {
        var held = new TaskCompletionSource();
        _app.Grid.Script = spec => HeldAsync(spec, held.Task, after: 5);
        string[] ways =
        [
            Greedy, Greedy.Replace("}", ",\"stream\":true}", StringComparison.Ordinal), Greedy.Replace("}", ",\"seed\":77,\"user\":\"me\"}", StringComparison.Ordinal),
            Greedy.Replace("}", ",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}}", StringComparison.Ordinal),
        ];
        var answers = Enumerable.Range(0, 256).Select(i => TextAsync("/v1/completions", ways[i % ways.Length])).ToArray();
        await Until.HoldsAsync(() => _app.Grid.Charges.Count == 255, "Not all read the one sequence.");
        held.SetResult();
        string[] said = await Task.WhenAll(answers);

        Assert.Single(_app.Grid.Started);
        string text = FakeAnswers.TextOf(_app.Grid.Started.Single().Generation.Sampling.Seed);
        for (int i = 0; i < said.Length; i++)
        {
            bool streamed = i % 2 == 1;
            string told = streamed
                ? string.Concat(GatewayApp.ParseEvents(said[i]).SelectMany(e => e["choices"]!.AsArray()).Select(choice => (string?)choice!["text"]))
                : (string)JsonNode.Parse(said[i])!["choices"]![0]!["text"]!;
            Assert.StartsWith(told, text, StringComparison.Ordinal);
            Assert.Equal(i % 4 == 3, said[i].Contains("\"usage\"", StringComparison.Ordinal) && streamed);
        }
        Assert.Equal(256, said.Select(one => Ids().Match(one).Value).Distinct().Count());
        await Until.HoldsAsync(() => _app.Grid.Charges.All(charge => charge.IsOver), "Some are charged still.");
        Assert.All(_app.Grid.Charges, charge => Assert.Equal((4, 8, true), (charge.PromptTokens, charge.Tokens, charge.IsOver)));
        var read = await MetricsAsync();
        Assert.Equal((1, 255, 0), (read("misses_total"), read("coalesced_total"), read("hits_total")));
    }

    [Theory]
    [InlineData("/v1/completions", """{"prompt":["One","two"],"max_tokens":9,"temperature":0.7,"seed":3,"n":2,"logprobs":3,"echo":true,"return_token_ids":true""")]
    [InlineData("/v1/completions", """{"prompt":"x","max_tokens":0,"echo":true,"logprobs":1,"temperature":0""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"ü"}],"temperature":0,"logprobs":true,"top_logprobs":2,"receipt":true,"metadata":{"a":"b"}""")]
    [InlineData("/generate", """{"text":["One","two"],"sampling_params":{"sampling_seed":-9,"max_new_tokens":30,"no_stop_trim":true},"return_logprob":true,"logprob_start_len":0,"top_logprobs_num":2,"receipt":true""")]
    public async Task A_remembered_answer_is_the_computed_one_but_for_its_mark_ids_and_times(string path, string json)
    {
        string usage = path == "/generate" ? "" : ",\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}";
        foreach (string request in new[] { json + "}", $"{json},\"stream\":true{usage}}}" })
        {
            string computed = await TextAsync(path, $"{request[..^1]},\"cache\":false}}");
            Assert.DoesNotMatch(Marks(), computed);
            await TextAsync(path, request); // What was whole at first is streamed then.
            int started = _app.Grid.Started.Count;
            string remembered = await TextAsync(path, request);
            Assert.Equal(started, _app.Grid.Started.Count);
            Assert.Matches(Marks(), remembered);
            Assert.Equal(Bare(path, computed), Bare(path, remembered));
        }
    }

    [Fact]
    public async Task A_remembered_stream_is_the_computed_one_event_by_event_and_can_be_resumed_where_nothing_is_remembered()
    {
        var store = new MemoryRequestStore(TimeSpan.FromMinutes(5), MemoryRequestStore.DefaultMaxBytes, TimeProvider.System);
        await using var first = (await StartAsync(requests: store)).WithEventIds();
        await using var second = (await GatewayApp.StartAsync(store)).WithEventIds();
        const string Streamed = """{"prompt":"Once","temperature":0.9,"seed":5,"logprobs":1,"max_tokens":14,"stream":true,"stream_options":{"include_usage":true}}""";
        var computed = GatewayApp.ReadEvents(await TextAsync("/v1/completions", Streamed, first));
        var remembered = GatewayApp.ReadEvents(await TextAsync("/v1/completions", Streamed, first));
        Assert.Single(first.Grid.Started);
        Assert.Equal(computed.Select(e => Bare("", e.Data)), remembered.Select(e => Bare("", e.Data)));
        Assert.Equal(computed.Select(e => Position(e)), remembered.Select(e => Position(e)));
        Assert.Equal(1, (int?)remembered[^2].Json["usage"]!["remembered_choices"]);

        string expected = new Told().Take(computed).ToString();
        foreach (var app in new[] { first, second })
        {
            for (int i = 0; i < remembered.Count - 1; i += 4)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{remembered[0].Id!.Split(':')[0]}/events");
                request.Headers.Add("Last-Event-ID", remembered[i].Id);
                using var rest = await app.Client.SendAsync(request, Token);
                Assert.Equal(expected, new Told().Take(remembered.Take(i + 1)).Take(GatewayApp.ReadEvents(await rest.Content.ReadAsStringAsync(Token))).ToString());
            }
        }
        Assert.Single(first.Grid.Started);

        static string Position(ServerSentEvent e) => e.Id!.Split(':', 2)[1];
    }

    [Fact]
    public async Task What_is_drawn_for_one_request_alone_or_asked_for_anew_is_neither_shared_nor_remembered()
    {
        string[] bodies = ["""{"prompt":"x","max_tokens":3}""", """{"prompt":"x","max_tokens":3,"temperature":0,"cache":false}""", """{"prompt":"x","max_tokens":3,"seed":4,"cache":false}"""];
        foreach (string body in bodies)
        {
            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => _app.OkAsync("/v1/completions", body)));
        }
        await _app.OkAsync("/generate", """{"text":"x","sampling_params":{"temperature":0},"cache":false}""");
        await _app.OkAsync("/generate", """{"text":"x"}""");
        await _app.OkAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}],"seed":1,"cache":false}""");
        Assert.Equal(12, _app.Grid.Started.Count);
        Assert.Empty(_store.Entries);

        // One of several answers is like any other.
        await _app.OkAsync("/v1/completions", """{"prompt":"x","max_tokens":3,"seed":4,"n":3}""");
        await _app.OkAsync("/v1/completions", """{"prompt":"x","max_tokens":3,"seed":6}""");
        Assert.Equal(15, _app.Grid.Started.Count);
        var (status, body400) = await _app.PostAsync("/v1/completions", """{"prompt":"x","cache":"no"}""");
        Assert.Equal((400, "cache"), (status, (string?)body400["error"]!["param"]));
    }

    /// <summary>Each on its own makes another key; a seed that nothing is drawn with does not.</summary>
    [Fact]
    public void Whatever_an_answer_depends_on_and_whose_it_is_is_in_its_key()
    {
        var model = FakeSequenceService.Model;
        var spec = new SequenceSpec
        {
            Model = "tiny",
            NumericsId = "grid-1-fake",
            PromptIds = [1, 2],
            Generation = new() { MaxNewTokens = 5, Sampling = new() { Seed = 1, Temperature = 0.5f } },
        };
        var (generation, sampling) = (spec.Generation, spec.Generation.Sampling);
        SequenceSpec With(GenerationParameters other) => spec with { Generation = other };
        SequenceSpec Sampled(SamplingParameters other) => With(generation with { Sampling = other });
        SequenceSpec[] others =
        [
            spec, spec with { Model = "other" }, spec with { NumericsId = "grid-1-new" }, spec with { PromptIds = [1, 2, 2] }, spec with { StopStrings = ["a"] },
            spec with { CrossCheck = true }, spec with { ShowsSpecialTokens = true }, spec with { ShowsStop = true },
            spec with { CacheSalt = "a" }, spec with { CacheSalt = "a\n" }, spec with { CacheSalt = "b\n" }, spec with { CacheSalt = "b\na" },
            With(generation with { MaxNewTokens = 6 }), With(generation with { MaxNewTokens = null }), With(generation with { MinNewTokens = 1 }), With(generation with { StopTokenIds = [7] }),
            With(generation with { IgnoreEndTokens = true }), With(generation with { Logprobs = true }), With(generation with { TopLogprobs = 1 }), With(generation with { Digests = true }),
            With(generation with { PromptLogprobsFrom = 0 }), Sampled(sampling with { Seed = 2 }), Sampled(sampling with { Temperature = 0 }), Sampled(sampling with { TopP = 0.5f }),
            Sampled(sampling with { TopK = 3 }), Sampled(sampling with { MinP = 0.1f }), Sampled(sampling with { PresencePenalty = 1 }), Sampled(sampling with { FrequencyPenalty = 1 }),
            Sampled(sampling with { RepetitionPenalty = 2 }), Sampled(sampling with { LogitBias = [new(1, 1)] }),
        ];
        string[] keys = [.. others.Select(other => AnswerCache.KeyOf(other, model)), AnswerCache.KeyOf(spec, model with { TextDigest = "another" })];
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(AnswerCache.KeyOf(Sampled(sampling with { Temperature = 0 }), model), AnswerCache.KeyOf(Sampled(sampling with { Temperature = 0, Seed = 9 }), model));
        var same = spec with { Client = "c", User = "u", Trace = "t", Follows = true, Resumed = new(default, 1, 1) };
        Assert.Equal(keys[0], AnswerCache.KeyOf(same, model));
        // As many as the context allows is a number.
        Assert.Equal(AnswerCache.KeyOf(With(generation with { MaxNewTokens = null }), model), AnswerCache.KeyOf(With(generation with { MaxNewTokens = model.MaxContextTokens - 2 }), model));
    }

    [Fact]
    public async Task Salts_separate_answers_at_once_and_later()
    {
        var held = new TaskCompletionSource();
        _app.Grid.Script = spec => HeldAsync(spec, held.Task, after: 1);
        string[] salts = ["", ",\"cache_salt\":\"a\"", ",\"cache_salt\":\"b\""];
        var answers = salts.Select(salt => _app.OkAsync("/v1/completions", Greedy.Replace("}", salt + "}", StringComparison.Ordinal))).ToArray();
        await Until.HoldsAsync(() => _app.Grid.Started.Count == 3, "They were shared.");
        held.SetResult();
        await Task.WhenAll(answers);
        await _app.OkAsync("/v1/completions", Greedy.Replace("}", ",\"cache_salt\":\"c\"}", StringComparison.Ordinal));
        Assert.Equal(4, _app.Grid.Started.Count);
        await _app.OkAsync("/v1/completions", Greedy.Replace("}", salts[2] + "}", StringComparison.Ordinal));
        Assert.Equal(4, _app.Grid.Started.Count);
    }

    [Fact]
    public async Task A_reader_that_leaves_or_is_aborted_harms_no_other_and_the_last_one_ends_the_sequence()
    {
        var held = new TaskCompletionSource();
        _app.Grid.Script = spec => HeldAsync(spec, held.Task, after: 2);
        const string Body = """{"text":"Once","stream":true,"sampling_params":{"temperature":0,"max_new_tokens":8},"rid":"NAME"}""";
        LiveStream Read(string name) => new(_app, "/generate", Body.Replace("NAME", name, StringComparison.Ordinal));
        using var first = Read("first");
        await first.NextAsync(_ => true);
        using var aborted = Read("aborted");
        await aborted.NextAsync(_ => true);
        using (var second = Read("second"))
        {
            await second.NextAsync(_ => true);
        }
        await Until.HoldsAsync(() => _app.Grid.Charges.Any(charge => charge.IsOver), "It did not leave.");
        using (await _app.SendAsync("/abort_request", """{"rid":"aborted"}"""))
        {
            Assert.Equal("abort", (string?)(await aborted.NextAsync(e => e.Json["meta_info"]!["finish_reason"] is not null)).Json["meta_info"]!["finish_reason"]!["type"]);
        }
        Assert.False(_app.Grid.Sequences.Single().Disposed.IsCompleted);
        first.Dispose(); // It began the sequence.
        using var third = Read("third");
        await third.NextAsync(_ => true);
        third.Dispose();
        await _app.Grid.Sequences.Single().Disposed.WaitAsync(Until.Patience, Token);
        Assert.Empty(_store.Entries);

        // Nothing is left of it.
        held.SetResult();
        Assert.Equal(8, (await _app.OkAsync("/generate", Body.Replace("\"stream\":true,", "", StringComparison.Ordinal)))["output_ids"]!.AsArray().Count);
        Assert.Equal(2, _app.Grid.Started.Count);
    }

    /// <summary>Whenever they come and go: who stays is told all, each token once, and nothing is left running or charged.</summary>
    [Fact]
    public async Task Readers_that_come_and_go_by_the_hundred_leave_nothing_behind()
    {
        var random = new Random(4);
        _app.Grid.Script = spec => YieldingAsync(spec);
        var specs = Enumerable.Range(0, 3).Select(i => new SequenceSpec
        {
            Model = "tiny",
            NumericsId = "grid-1-fake",
            PromptIds = [i],
            Generation = new() { MaxNewTokens = 10, Sampling = new() { Temperature = 0 } },
        }).ToArray();
        int whole = 0;
        for (int round = 0; round < 40; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 30).Select(i => ReadAsync(specs[i % 3], leaveAfter: random.Next(3) == 0 ? int.MaxValue : random.Next(12), yields: random.Next(20))));
            if (round % 10 == 9)
            {
                _store.Entries.Clear(); // Some find it there, others compute it.
            }
        }
        Assert.InRange(whole, 300, 1200);
        await Until.HoldsAsync(() => _app.Grid.Sequences.All(sequence => sequence.Disposed.IsCompleted) && _app.Grid.Charges.All(charge => charge.IsOver), "Something is left.");
        Assert.InRange(_app.Grid.Started.Count, 3, 600);

        async Task ReadAsync(SequenceSpec spec, int leaveAfter, int yields)
        {
            for (int i = 0; i < yields; i++)
            {
                await Task.Yield();
            }
            using var leave = new CancellationTokenSource();
            var told = Channel.CreateUnbounded<SequenceUpdate>();
            if (leaveAfter == 0)
            {
                leave.CancelAfter(0);
            }
            try
            {
                await using var reader = await Cache.StartAsync(spec, FakeSequenceService.Model, true, (_, update) => told.Writer.TryWrite(update), null, leave.Token);
                int tokens = 0;
                await foreach (var update in told.Reader.ReadAllAsync(Token))
                {
                    tokens += update.Tokens.Length;
                    if (update.IsLast || tokens >= leaveAfter)
                    {
                        break;
                    }
                }
                if (leaveAfter > 10)
                {
                    Assert.Equal(10, tokens);
                    Interlocked.Increment(ref whole);
                }
            }
            catch (OperationCanceledException) when (leave.IsCancellationRequested)
            {
                // It left while it waited.
            }
        }

        static async IAsyncEnumerable<SequenceUpdate> YieldingAsync(SequenceSpec spec)
        {
            for (int i = 0; i < 10; i++)
            {
                await Task.Yield();
                yield return new SequenceUpdate { Text = $"{i}", Tokens = [new(spec.PromptIds![0] + i, float.NaN, [])], FinishReason = i == 9 ? "length" : null };
            }
        }
    }

    /// <summary>A name may be another client's, an id is one reader's.</summary>
    [Fact]
    public async Task Aborting_by_the_id_of_one_s_own_answer_ends_that_alone_and_for_the_last_reader_the_sequence()
    {
        var held = new TaskCompletionSource();
        _app.Grid.Script = spec => HeldAsync(spec, held.Task, after: 2);
        string body = Greedy.Replace("}", ",\"stream\":true}", StringComparison.Ordinal);
        using var first = new LiveStream(_app, "/v1/completions", body);
        string id = ((string)(await first.NextAsync(_ => true)).Json["id"]!)["cmpl-".Length..];
        Assert.Equal($"{_app.Grid.Sequences.Single().Id:N}", id);
        using var second = new LiveStream(_app, "/v1/completions", body);
        string other = ((string)(await second.NextAsync(_ => true)).Json["id"]!)["cmpl-".Length..];
        Assert.True(Cache.Abort(other));
        Assert.Equal("abort", FinishOf(await second.NextAsync(e => FinishOf(e) is not null)));
        await Until.HoldsAsync(() => _app.Grid.Charges.Single().IsOver, "It did not leave.");
        Assert.Empty(_app.Grid.Told);
        Assert.True(Cache.Abort(id));
        Assert.Equal($"abort {id}", Assert.Single(_app.Grid.Told)); // The grid ends the sequence, and tells it so.
        Assert.False(Cache.Abort("nobody's"));
        held.SetResult();

        static string? FinishOf(ServerSentEvent e) => (string?)e.Json["choices"]![0]!["finish_reason"];
    }

    [Theory]
    [InlineData("abort")]
    [InlineData("error")]
    public async Task What_did_not_end_by_itself_is_not_remembered(string reason)
    {
        _app.Grid.Script = _ => FakeAnswers.Of(new SequenceUpdate { Text = "hi", Tokens = [new('h', float.NaN, [])] }, new SequenceUpdate { FinishReason = reason });
        for (int i = 1; i <= 2; i++)
        {
            Assert.Equal(reason == "error" ? 500 : 200, (await _app.PostAsync("/v1/completions", Greedy)).Status);
            await Until.HoldsAsync(() => _app.Grid.Sequences.All(sequence => sequence.Disposed.IsCompleted), "It runs.");
            Assert.Equal(i, _app.Grid.Started.Count);
        }
        Assert.Empty(_store.Entries);
    }

    [Fact]
    public async Task Other_bits_are_never_answered_with_old_ones()
    {
        await _app.OkAsync("/v1/completions", Greedy);
        _app.Grid.Models = [FakeSequenceService.Model with { NumericsId = "grid-1-new" }];
        var body = await _app.OkAsync("/v1/completions", Greedy);
        Assert.Equal("grid-1-new", (string?)body["system_fingerprint"]);
        Assert.Equal(2, _app.Grid.Started.Count);

        // Asked for before the update was known here, and served by nobody now: the grid says so.
        var spec = _app.Grid.Started.First() with { Client = "c" };
        await using (await Cache.StartAsync(spec, FakeSequenceService.Model, true, (_, _) => { }, null, Token))
        {
            Assert.Equal(3, _app.Grid.Started.Count);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_store_that_fails_or_hangs_harms_no_request(bool hangs)
    {
        await using var app = await StartAsync(new BrokenStore(hangs));
        string first = (string)(await app.OkAsync("/v1/completions", Greedy))["choices"]![0]!["text"]!;
        Assert.Equal(first, (string?)(await app.OkAsync("/v1/completions", Greedy))["choices"]![0]!["text"]);
        Assert.Equal(2, app.Grid.Started.Count);
        Assert.Contains(app.Logs.Lines, line => line.StartsWith("Warning The store of remembered answers fails", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_damaged_record_counts_as_none_and_is_replaced()
    {
        await _app.OkAsync("/v1/completions", Greedy);
        await Until.HoldsAsync(() => !_store.Entries.IsEmpty, "It was not remembered.");
        byte[] record = _store.Entries.Single().Value;
        foreach (int place in new[] { 0, 5, 40, record.Length - 1 })
        {
            byte[] damaged = [.. record];
            damaged[place] ^= 4;
            _store.Entries[_store.Entries.Single().Key] = damaged;
            Assert.Null((await _app.OkAsync("/v1/completions", Greedy))["usage"]!["remembered_choices"]);
            await Until.HoldsAsync(() => _store.Entries.Single().Value.AsSpan().SequenceEqual(record), "It was not replaced.");
        }
        Assert.Equal(1, (int?)(await _app.OkAsync("/v1/completions", Greedy))["usage"]!["remembered_choices"]);
    }

    [Theory]
    [InlineData("token")]
    [InlineData("logprob")]
    [InlineData("top")]
    [InlineData("digest")]
    [InlineData("text")]
    [InlineData("prompt")]
    [InlineData("end")]
    [InlineData("shorter")]
    [InlineData("impossible")]
    public async Task An_audit_finds_wrong_bits_tells_of_them_and_forgets_them(string what)
    {
        await using var app = await StartAsync(audit: "1");
        const string Body = """{"text":"Secret","sampling_params":{"temperature":0,"max_new_tokens":8},"return_logprob":true,"logprob_start_len":0,"top_logprobs_num":2,"receipt":true}""";
        await app.OkAsync("/generate", Body);
        Assert.True((bool?)(await app.OkAsync("/generate", Body))["meta_info"]!["remembered"]);
        await Until.HoldsAsync(async () => (await MetricsAsync(app))("audited_total") == 1, "Nothing was computed again.");
        Assert.Equal(2, app.Grid.Started.Count);
        Assert.Equal(8, app.Grid.Started.Last().ExpectedOutputIds.Length);

        var (key, record) = _store.Entries.Single();
        var answers = app.Services.GetRequiredService<RememberedAnswers>();
        var right = answers.Read(key, record)!;
        var updates = right.Updates;
        var planted = updates[6].Tokens[0];
        planted = what switch
        {
            "token" => planted with { TokenId = planted.TokenId + 1 },
            "impossible" => planted with { TokenId = 1 << 20 },
            "logprob" => planted with { Logprob = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(planted.Logprob) ^ 1) },
            "top" => planted with { Top = [planted.Top[1], planted.Top[0]] },
            "digest" => planted with { Digest = new StepDigest(1, 2) },
            _ => planted,
        };
        updates[6] = updates[6] with { Tokens = [planted], Text = what == "text" ? "x" : updates[6].Text };
        updates[0] = what == "prompt" ? updates[0] with { PromptTokens = updates[0].PromptTokens[1..] } : updates[0];
        updates[^1] = what == "end" ? updates[^1] with { FinishReason = "stop" } : updates[^1];
        await answers.PutAsync(key, right with { Updates = what == "shorter" ? [.. updates[..5], updates[^1]] : updates });

        await app.OkAsync("/generate", Body);
        await Until.HoldsAsync(() => _store.Entries.IsEmpty, "It was not forgotten.");
        var read = await MetricsAsync(app);
        Assert.Equal((2, 1), (read("audited_total"), read("differing_total")));
        string line = Assert.Single(app.Logs.Lines, line => line.StartsWith("Error The remembered answer", StringComparison.Ordinal));
        Assert.Contains(key, line, StringComparison.Ordinal);
        Assert.DoesNotContain(app.Logs.Lines, line => line.Contains("Secret", StringComparison.Ordinal));
        var again = await app.OkAsync("/generate", Body);
        Assert.Null(again["meta_info"]!["remembered"]);
        Assert.StartsWith((string)again["text"]!, FakeAnswers.TextOf(0), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_is_bounded_and_what_was_asked_last_is_in_it()
    {
        const int Most = 40_000;
        await using var app = await GatewayApp.StartAsync(("Grid:AnswerCache", "memory"), ("Grid:AnswerCacheSize", $"{Most}"), ("Grid:AnswerCacheAudit", "0"));
        for (int i = 0; i < 60; i++)
        {
            string body = Greedy.Replace("Once", $"{i} times", StringComparison.Ordinal);
            await app.OkAsync("/v1/completions", body);
            Assert.Equal(1, (int?)(await app.OkAsync("/v1/completions", body))["usage"]!["remembered_choices"]);
            Assert.InRange((await MetricsAsync(app))("bytes"), 1, Most);
        }
        Assert.Null((await app.OkAsync("/v1/completions", Greedy.Replace("Once", "0 times", StringComparison.Ordinal)))["usage"]!["remembered_choices"]);

        // One that takes too much is told to the end to all who read it, and not held.
        app.Grid.Script = _ => LongAsync();
        var whole = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => app.OkAsync("/v1/completions", """{"prompt":"long","max_tokens":400,"temperature":0}""")));
        Assert.All(whole, one => Assert.Equal(400, (int)one["usage"]!["completion_tokens"]!));
        Assert.Null((await app.OkAsync("/v1/completions", """{"prompt":"long","max_tokens":400,"temperature":0}"""))["usage"]!["remembered_choices"]);

        static async IAsyncEnumerable<SequenceUpdate> LongAsync()
        {
            for (int i = 0; i < 400; i++)
            {
                await Task.Yield();
                yield return new SequenceUpdate { Text = "a", Tokens = [new('a', float.NaN, [])], FinishReason = i == 399 ? "length" : null };
            }
        }
    }

    [Fact]
    public async Task Clients_are_charged_for_what_they_are_told_and_refused_when_they_have_had_their_share()
    {
        await _app.OkAsync("/v1/completions", Greedy);
        Assert.Empty(_app.Grid.Charges); // The grid has counted the sequence.
        await Until.HoldsAsync(() => !_store.Entries.IsEmpty, "It was not remembered.");
        await _app.OkAsync("/v1/completions", Greedy);
        var charge = Assert.Single(_app.Grid.Charges);
        await Until.HoldsAsync(() => charge.IsOver, "It is charged still.");
        Assert.Equal((4, 8, true), (charge.PromptTokens, charge.Tokens, charge.IsOver));
        _app.Grid.Limit = _ => new Refusal { Kind = RefusalKind.ClientLimit, Rule = "It has had enough.", RetryAfter = TimeSpan.FromSeconds(3) };
        using var refused = await _app.SendAsync("/v1/completions", Greedy);
        Assert.Equal((HttpStatusCode.TooManyRequests, 3), (refused.StatusCode, refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds));
        _app.Grid.Limit = null;
        Assert.Equal(1, (int?)(await _app.OkAsync("/v1/completions", Greedy))["usage"]!["remembered_choices"]);
    }

    [Theory]
    [InlineData(RefusalKind.ClientLimit, false)]
    [InlineData(RefusalKind.Overloaded, false)]
    [InlineData(RefusalKind.Unavailable, true)]
    public async Task What_the_first_one_is_refused_for_refuses_no_other_where_it_is_its_own(RefusalKind kind, bool all)
    {
        var gate = new TaskCompletionSource();
        int asked = 0;
        _app.Grid.Admission = async _ =>
        {
            if (Interlocked.Increment(ref asked) == 1)
            {
                await gate.Task;
                throw new RefusedException(new Refusal { Kind = kind, Rule = "No." });
            }
        };
        var spec = new SequenceSpec { Model = "tiny", NumericsId = "grid-1-fake", PromptIds = [1], Generation = new() { MaxNewTokens = 5, Sampling = new() { Temperature = 0 } } };
        var told = Channel.CreateUnbounded<SequenceUpdate>();
        var first = Cache.StartAsync(spec, FakeSequenceService.Model, true, (_, _) => Assert.Fail("It was refused."), null, Token);
        var second = Cache.StartAsync(spec with { Client = "another" }, FakeSequenceService.Model, true, (_, update) => told.Writer.TryWrite(update), null, Token);
        gate.SetResult();
        Assert.Equal(kind, (await Assert.ThrowsAsync<RefusedException>(() => first)).Refusal.Kind);
        if (all)
        {
            await Assert.ThrowsAsync<RefusedException>(() => second);
            return;
        }
        await using var sequence = await second;
        int tokens = 0;
        await foreach (var update in told.Reader.ReadAllAsync(Token))
        {
            tokens += update.Tokens.Length;
            if (update.IsLast)
            {
                break;
            }
        }
        Assert.Equal(5, tokens);
        Assert.Equal("another", Assert.Single(_app.Grid.Started).Client);
    }

    [Theory]
    [InlineData(AnswerCacheKind.Redis, ClusterStoreKind.Localhost, "redis")]
    [InlineData(AnswerCacheKind.Redis, ClusterStoreKind.Postgres, "redis")]
    [InlineData(AnswerCacheKind.Postgres, ClusterStoreKind.Redis, "postgres")]
    public void A_store_that_the_cluster_has_not_is_refused_at_the_start(AnswerCacheKind kind, ClusterStoreKind cluster, string name)
    {
        var options = new GatewayNodeOptions();
        (options.Gateway.AnswerCache, options.Cluster.Store) = (kind, cluster);
        var refused = Assert.Throws<StartException>(() => NodeHost.CheckAccess(options));
        Assert.Equal((StartException.Usage, $"--answer-cache {name} remembers answers in the cluster's store, which must be that of --cluster {name}; memory needs none."), (refused.ExitCode, refused.Message));
    }

    /// <summary>Nothing is looked for, so that it costs nothing.</summary>
    [Fact]
    public async Task Without_the_option_nothing_is_shared_or_shown()
    {
        await using var app = await GatewayApp.StartAsync();
        await app.OkAsync("/v1/completions", Greedy);
        Assert.Null((await app.OkAsync("/v1/completions", Greedy))["usage"]!["remembered_choices"]);
        Assert.Equal(["Once", "Once"], app.Grid.Started.Select(spec => spec.PromptText));
    }

    [Fact]
    public async Task Receipts_of_a_greedy_request_are_one_text_whatever_its_seed()
    {
        _app.Grid.Script = spec => FakeAnswers.Default(spec.WithSeed(4), spec.PromptIds ?? ['x']); // As the grid: nothing is drawn.
        string[] receipts = [await ReceiptAsync(""), await ReceiptAsync(""), await ReceiptAsync(",\"seed\":9"), await ReceiptAsync(",\"seed\":9,\"cache\":false")];
        Assert.Single(receipts.Distinct());
        Assert.Equal(0, (int)JsonNode.Parse(receipts[0])!["request"]!["seed"]!);
        Assert.Equal(9, (int)JsonNode.Parse(await ReceiptAsync(",\"seed\":9", "0.5"))!["request"]!["seed"]!);

        async Task<string> ReceiptAsync(string seed, string temperature = "0") => (await _app.OkAsync("/v1/completions",
            $"{{\"prompt\":\"x\",\"max_tokens\":4,\"temperature\":{temperature},\"receipt\":true{seed}}}"))["choices"]![0]!["receipt"]!.ToJsonString();
    }

    private Task<GatewayApp> StartAsync(IAnswerStore? answers = null, IRequestStore? requests = null, string audit = "0") => GatewayApp.StartAsync(
        requests ?? new MemoryRequestStore(TimeSpan.FromMinutes(5), 1 << 20, TimeProvider.System), answers ?? _store,
        ("Grid:AnswerCache", "redis"), ("Grid:AnswerCacheAudit", audit));

    private async Task<string> TextAsync(string path, string json, GatewayApp? app = null)
    {
        using var response = await (app ?? _app).SendAsync(path, json);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return text;
    }

    /// <summary>The cache's metrics, by the end of their names; 0 for one that has counted nothing yet.</summary>
    private async Task<Func<string, double>> MetricsAsync(GatewayApp? app = null)
    {
        string page = await (app ?? _app).Client.GetStringAsync("/metrics", Token);
        return name => page.Split('\n').FirstOrDefault(line => line.StartsWith($"grid:answer_cache_{name}", StringComparison.Ordinal)) is { } line
            ? double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>What of an answer is the same whenever it is given. Events of /generate are cumulative: the last one has all.</summary>
    private static string Bare(string path, string answer)
    {
        answer = Times().Replace(Ids().Replace(Marks().Replace(answer, ""), ""), "");
        return !answer.StartsWith("data:", StringComparison.Ordinal) ? answer : string.Join('\n', answer.Split("\n\n")
            .Where(e => path != "/generate" || e.Contains("e2e_latency", StringComparison.Ordinal)).Order(StringComparer.Ordinal)); // Sequences take turns by chance.
    }

    private static async IAsyncEnumerable<SequenceUpdate> HeldAsync(SequenceSpec spec, Task until, int after)
    {
        int told = 0;
        await foreach (var update in FakeAnswers.Default(spec, spec.PromptIds!))
        {
            if (told++ == after)
            {
                await until;
            }
            yield return update;
        }
    }

    [GeneratedRegex(""","remembered_choices":\d+|"remembered":true,""")]
    private static partial Regex Marks();

    [GeneratedRegex("\"id\":\"(?:chatcmpl-|cmpl-)?[0-9a-f]{32}\"")]
    private static partial Regex Ids();

    [GeneratedRegex("""id: [0-9a-f]{32}:|"created":\d+|"e2e_latency":[0-9.E-]+""")]
    private static partial Regex Times();

    private sealed class DictionaryStore : IAnswerStore
    {
        public ConcurrentDictionary<string, byte[]> Entries { get; } = [];

        public long Bytes => Entries.Values.Sum(answer => answer.Length);

        public Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken) => Task.FromResult(Entries.GetValueOrDefault(key));

        public Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken)
        {
            Entries[key] = answer.ToArray();
            return Task.CompletedTask;
        }

        public Task RemoveAsync(string key, CancellationToken cancellationToken)
        {
            Entries.TryRemove(key, out _);
            return Task.CompletedTask;
        }
    }

    private sealed class BrokenStore(bool hangs) : IAnswerStore
    {
        public long Bytes => 0;

        public async Task<byte[]?> FindAsync(string key, CancellationToken cancellationToken)
        {
            await FailAsync(cancellationToken);
            return null;
        }

        public Task PutAsync(string key, ReadOnlyMemory<byte> answer, CancellationToken cancellationToken) => FailAsync(cancellationToken);

        public Task RemoveAsync(string key, CancellationToken cancellationToken) => FailAsync(cancellationToken);

        private async Task FailAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(hangs ? Timeout.Infinite : 0, cancellationToken);
            throw new IOException("The store is away.");
        }
    }
}
