namespace Grid.Cluster.Tests.Support;

/// <summary>
/// Many requests at once, nearly all of them streams, that differ in everything an answer may depend on, each followed by another
/// as soon as it ends. Every answer is compared with that of a grid to which nothing happened.
/// </summary>
internal sealed class StreamLoad
{
    private static readonly (string Path, string Json)[] s_requests =
    [
        Completion("\"prompt\":\"The dog\",\"temperature\":0", 1800),
        Completion("\"prompt\":\"Once upon a time\",\"seed\":7,\"logprobs\":2", 1200),
        Completion("\"prompt\":\"Anna\",\"seed\":8,\"temperature\":0.7,\"top_p\":0.9,\"presence_penalty\":0.5,\"frequency_penalty\":0.3", 1400),
        Completion("\"prompt\":\"The king\",\"seed\":9,\"temperature\":1.3,\"top_k\":40,\"repetition_penalty\":1.1", 1600),
        Completion("\"prompt\":\"A cat\",\"seed\":10,\"min_p\":0.05,\"stop\":[\"never said\",\"zzzz\"],\"echo\":true", 1200),
        Completion("\"prompt\":\"In the house\",\"seed\":-1,\"logit_bias\":{\"300\":-5,\"310\":2}", 1900),
        Completion("\"prompt\":[\"Where\",\"The dog and the cat\"],\"seed\":12,\"temperature\":0.2,\"min_tokens\":100", 800),
        Completion("\"prompt\":\"The bear\",\"seed\":14,\"cross_check\":true,\"logprobs\":1", 300),
        ("/v1/completions", "{\"prompt\":\"Long ago there was a dog\",\"seed\":15,\"prompt_logprobs\":2,\"max_tokens\":100,\"ignore_eos\":true}"),
        ("/generate", "{\"text\":\"The fox\",\"sampling_params\":{\"sampling_seed\":16,\"max_new_tokens\":200,\"ignore_eos\":true},\"return_logprob\":true,\"top_logprobs_num\":1,\"rid\":\"mine\",\"stream\":true}"),
        ("/v1/chat/completions", Body("\"messages\":[{\"role\":\"user\",\"content\":\"Tell me of Anna\"}],\"n\":2,\"seed\":5,\"logprobs\":true,\"top_logprobs\":2", 600)),
    ];

    private readonly ReturningClient _client;
    private readonly int _streams;
    private readonly string[] _undisturbed;
    private readonly Lock _lock = new();

    private StreamLoad(ReturningClient client, int streams, string[] undisturbed)
    {
        _client = client;
        _streams = streams;
        _undisturbed = undisturbed;
    }

    /// <summary>The requests.</summary>
    public static IReadOnlyList<(string Path, string Json)> Requests => s_requests;

    /// <summary>Streams that ended.</summary>
    public int Ended { get; private set; }

    /// <summary>Of those, the ones that told anything else than they would have in a grid to which nothing happened: a token
    /// lost, doubled or changed, another logprob, usage or end; each with what differs.</summary>
    public List<string> Differing { get; } = [];

    /// <summary>Events of all streams.</summary>
    public long Events { get; private set; }

    /// <summary>Asks a grid to which nothing happens for the answers to compare with.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="streams">How many requests there are at once.</param>
    public static async Task<StreamLoad> CreateAsync(ReturningClient client, int streams)
    {
        var readings = await Task.WhenAll(s_requests.Select(request => client.ReadAsync(request.Path, request.Json)));
        Assert.True(client.Returns == 0, $"Nothing had happened yet: {client.Trouble}");
        return new StreamLoad(client, streams, [.. readings.Select(reading => reading.Told)]);
    }

    /// <summary>Keeps the streams going until something is over. It is given the streams, so that it can stop when one fails.</summary>
    /// <param name="something">What happens meanwhile.</param>
    /// <param name="ended">Gets each stream that ended, one at a time.</param>
    public async Task RunWhileAsync(Func<Task, Task> something, Action<Reading>? ended = null)
    {
        bool over = false;
        var streams = Task.WhenAll(Enumerable.Range(0, _streams).Select(async stream =>
        {
            for (int round = 0; round == 0 || !Volatile.Read(ref over); round++)
            {
                int which = (stream + round) % s_requests.Length;
                var reading = await _client.ReadAsync(s_requests[which].Path, s_requests[which].Json);
                string? difference = Difference(_undisturbed[which], reading);
                lock (_lock)
                {
                    Ended++;
                    if (difference is not null)
                    {
                        Differing.Add($"{DateTime.UtcNow:HH:mm:ss} {s_requests[which].Json}\n{difference}");
                    }

                    Events += reading.Events.Count;
                    ended?.Invoke(reading);
                }
            }
        }));
        await something(streams);
        Volatile.Write(ref over, true);
        await streams;
    }

    /// <summary>Where what was told leaves what would have been, and where its client came back; null when it does not.</summary>
    private static string? Difference(string undisturbed, Reading reading)
    {
        string told = reading.Told;
        if (told == undisturbed)
        {
            return null;
        }

        int same = told.AsSpan().CommonPrefixLength(undisturbed);
        string returns = string.Join(", ", reading.Returns.Select(left => reading.Times.Count(time => time < left)));
        return $"""
            The first {same} of {undisturbed.Length} characters are the same, then, instead of
            {Excerpt(undisturbed, same)}
            came, of {told.Length},
            {Excerpt(told, same)}
            in {reading.Events.Count} events; clients came back after events {returns}. Last id: {reading.Events.LastOrDefault(item => item.Id is not null)?.Id}
            """;
    }

    private static string Excerpt(string text, int place) => text[Math.Max(0, place - 60)..Math.Min(text.Length, place + 120)];

    private static (string Path, string Json) Completion(string fields, int maxTokens) => ("/v1/completions", Body(fields, maxTokens));

    private static string Body(string fields, int maxTokens) =>
        $"{{{fields},\"max_tokens\":{maxTokens},\"ignore_eos\":true,\"stream\":true,\"stream_options\":{{\"include_usage\":true}}}}";
}
