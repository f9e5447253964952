using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace Grid.Cluster.Tests.Support;

/// <summary>What a client got for one request: all of it that must be the same in every run.</summary>
/// <param name="Text">The text, put together.</param>
/// <param name="Logprobs">Tokens, logprobs and alternatives as printed, one line a token.</param>
/// <param name="Finish">Finish reasons, in order of arrival: exactly one.</param>
/// <param name="Usage">Prompt and completion tokens.</param>
/// <param name="Receipt">What was asked for with a receipt: digests of all logits.</param>
internal sealed record Completion(string Text, string Logprobs, string Finish, string Usage, string Receipt)
{
    private static readonly ConcurrentDictionary<IReadOnlyList<string>, Completion[]> s_undisturbed = new(ReferenceEqualityComparer.Instance);

    /// <summary>Requests that differ in everything that an answer may depend on; so long that the most of each is still to come
    /// when all have had their first token, also where a step takes a millisecond.</summary>
    public static IReadOnlyList<string> Mixed { get; } = OfTokens(750, 720, 680);

    /// <summary>The same, twice as long: where something is to happen before even the first to begin has ended.</summary>
    public static IReadOnlyList<string> Long { get; } = OfTokens(1500, 1470, 1430);

    /// <summary>Fewer of them.</summary>
    public static IReadOnlyList<string> Few { get; } =
    [
        Request("\"prompt\":\"The dog\",\"temperature\":0,\"ignore_eos\":true", 600),
        Request("\"prompt\":\"Once upon a time\",\"seed\":7,\"ignore_eos\":true", 600),
        Request("\"prompt\":\"Anna\",\"seed\":8,\"temperature\":0.7,\"top_p\":0.9,\"presence_penalty\":0.5,\"ignore_eos\":true", 600),
        Request("\"prompt\":\"A cat\",\"seed\":10,\"min_p\":0.05,\"ignore_eos\":true,\"stop\":[\"never said\",\"zzzz\"]", 600),
    ];

    private static string[] OfTokens(int most, int fewer, int fewest) =>
    [
        Request("\"prompt\":\"The dog\",\"temperature\":0,\"ignore_eos\":true", most),
        Request("\"prompt\":\"Once upon a time\",\"seed\":7,\"ignore_eos\":true", most),
        Request("\"prompt\":\"Anna\",\"seed\":8,\"temperature\":0.7,\"top_p\":0.9,\"presence_penalty\":0.5,\"frequency_penalty\":0.3,\"ignore_eos\":true", fewer),
        Request("\"prompt\":\"The king\",\"seed\":9,\"temperature\":1.3,\"top_k\":40,\"repetition_penalty\":1.1,\"ignore_eos\":true,\"receipt\":true", fewer),
        Request("\"prompt\":\"A cat\",\"seed\":10,\"min_p\":0.05,\"ignore_eos\":true,\"stop\":[\"never said\",\"zzzz\"]", fewest),
        Request("\"prompt\":\"In the house\",\"seed\":-1,\"logit_bias\":{\"300\":-5,\"310\":2},\"ignore_eos\":true", fewest),
        Request("\"prompt\":\"Where\",\"seed\":12,\"temperature\":0.2,\"min_tokens\":350", fewest),
        Request("\"prompt\":\"The dog and the cat\",\"seed\":13,\"ignore_eos\":true", most),
    ];

    private static string Request(string fields, int maxTokens) =>
        $"{{{fields},\"max_tokens\":{maxTokens},\"logprobs\":2,\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}";

    /// <summary>Sends a streamed request and reads it to its end.</summary>
    /// <param name="client">Whom to ask.</param>
    /// <param name="request">The body.</param>
    /// <param name="begun">Completed when the first token has arrived.</param>
    /// <param name="gaps">Gets the longest wait between two events.</param>
    public static async Task<Completion> StreamAsync(HttpClient client, string request, TaskCompletionSource? begun = null, List<TimeSpan>? gaps = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(request, Encoding.UTF8, "application/json") };
        using var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, await TextOfFailureAsync(response));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var text = new StringBuilder();
        var logprobs = new StringBuilder();
        var finish = new StringBuilder();
        var receipt = new StringBuilder();
        string usage = "";
        bool done = false;
        var worst = TimeSpan.Zero;
        long last = Stopwatch.GetTimestamp();
        using var patience = new CancellationTokenSource(2 * Programs.Patience);
        while (await reader.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Length == 0 || line.StartsWith("id: ", StringComparison.Ordinal))
            {
                continue;
            }

            worst = TimeSpan.FromTicks(Math.Max(worst.Ticks, Stopwatch.GetElapsedTime(last).Ticks));
            last = Stopwatch.GetTimestamp();
            Assert.False(done, $"Something came after the end: {line}");
            string data = line["data: ".Length..];
            done = data == "[DONE]";
            if (!done)
            {
                usage = Take(JsonNode.Parse(data)!, text, logprobs, finish, receipt) ?? usage;
                begun?.TrySetResult();
            }
        }

        Assert.True(done, "The stream broke off.");
        if (gaps is not null)
        {
            lock (gaps)
            {
                gaps.Add(worst);
            }
        }

        return new Completion(text.ToString(), logprobs.ToString(), finish.ToString(), usage, receipt.ToString());
    }

    /// <summary>What the mixed requests get from a grid that nothing happens to.</summary>
    public static Task<Completion[]> UndisturbedAsync(HttpClient client) => UndisturbedAsync(client, Mixed);

    /// <summary>What requests get from a grid that nothing happens to: asked once, for it is the same of every grid of this
    /// model.</summary>
    public static async Task<Completion[]> UndisturbedAsync(HttpClient client, IReadOnlyList<string> requests)
    {
        if (!s_undisturbed.TryGetValue(requests, out var answers))
        {
            s_undisturbed[requests] = answers = await StreamAllAsync(client, requests);
        }

        return answers;
    }

    /// <summary>Sends requests all at once.</summary>
    public static Task<Completion[]> StreamAllAsync(HttpClient client, IEnumerable<string> requests) =>
        Task.WhenAll(requests.Select(request => StreamAsync(client, request)));

    /// <summary>As <see cref="BeginAllAsync"/>, and every worker runs some of them, so that whatever happens to one happens to streams:
    /// they are begun anew where a worker was thought lost just then, on a machine that is busy otherwise.</summary>
    public static async Task<Task<Completion>[]> BeginOnAllAsync(NodeProcess gateway, IReadOnlyList<string> requests, List<TimeSpan> gaps)
    {
        using var patience = new CancellationTokenSource(Programs.Patience);
        while (true)
        {
            var streams = await BeginAllAsync(gateway.Client, requests, gaps);
            if (await gateway.SeesAllAtWorkAsync())
            {
                return streams;
            }

            Assert.False(patience.IsCancellationRequested, $"A worker never got a stream:\n{gateway.Output}");
            await Task.WhenAll(streams);
        }
    }

    /// <summary>Streams of which each has had its first token before the next began, so that all workers get some.</summary>
    public static async Task<Task<Completion>[]> BeginAllAsync(HttpClient client, IReadOnlyList<string> requests, List<TimeSpan> gaps)
    {
        var streams = new List<Task<Completion>>();
        foreach (string request in requests)
        {
            var begun = new TaskCompletionSource();
            streams.Add(StreamAsync(client, request, begun, gaps));
            await begun.Task.WaitAsync(Programs.Patience);
        }

        return [.. streams];
    }

    private static string? Take(JsonNode item, StringBuilder text, StringBuilder logprobs, StringBuilder finish, StringBuilder receipt)
    {
        Assert.True(item["error"] is null, item.ToJsonString());
        foreach (var choice in item["choices"]!.AsArray())
        {
            text.Append((string?)choice!["text"]);
            finish.Append((string?)choice["finish_reason"]);
            receipt.Append(choice["receipt"]?.ToJsonString());
            if (choice["logprobs"] is { } probabilities)
            {
                for (int i = 0; i < probabilities["tokens"]!.AsArray().Count; i++)
                {
                    logprobs.Append(probabilities["text_offset"]![i]!.ToJsonString()).Append(' ')
                        .Append(probabilities["tokens"]![i]!.ToJsonString()).Append(' ')
                        .Append(probabilities["token_logprobs"]![i]?.ToJsonString()).Append(' ')
                        .AppendLine(probabilities["top_logprobs"]![i]?.ToJsonString());
                }
            }
        }

        return item["usage"] is { } usage ? $"{usage["prompt_tokens"]} + {usage["completion_tokens"]}" : null;
    }

    private static async Task<string> TextOfFailureAsync(HttpResponseMessage response) =>
        response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync();
}
