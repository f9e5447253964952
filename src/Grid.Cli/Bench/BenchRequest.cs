using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Grid.Cli.Servers;

namespace Grid.Cli.Bench;

/// <summary>One streamed request, and when its tokens came. Timestamps are <see cref="Stopwatch"/>'s.</summary>
/// <param name="path">Of the API.</param>
/// <param name="body">What is sent.</param>
/// <param name="prompt">Its prompt.</param>
/// <param name="outputTokens">Tokens that it is to generate.</param>
internal sealed class BenchRequest(string path, byte[] body, BenchPrompt prompt, int outputTokens)
{
    private readonly List<(long Time, int Tokens)> _arrivals = new(outputTokens);
    private readonly StringBuilder _error = new();

    /// <summary>Its prompt.</summary>
    public BenchPrompt Prompt => prompt;

    /// <summary>Tokens of its prompt that the server says it had not to compute; null where it does not say.</summary>
    public int? CachedTokens { get; private set; }

    /// <summary>When it was sent.</summary>
    public long Sent { get; private set; }

    /// <summary>Every event that brought tokens: when, and how many there were in all by then.</summary>
    public IReadOnlyList<(long Time, int Tokens)> Arrivals => _arrivals;

    /// <summary>Tokens in all.</summary>
    public int Tokens => _arrivals.Count == 0 ? 0 : _arrivals[^1].Tokens;

    /// <summary>What went wrong; null when all tokens came.</summary>
    public string? Error => _error.Length > 0 ? _error.ToString() : Tokens == outputTokens ? null : $"{Tokens} of {outputTokens} tokens came.";

    /// <summary>From being sent to the first token.</summary>
    public double FirstMs => Milliseconds(Sent, _arrivals[0].Time);

    /// <summary>From being sent to the last.</summary>
    public double WholeMs => Milliseconds(Sent, _arrivals[^1].Time);

    /// <summary>Per token after the first event's; null where there are none.</summary>
    public double? PerTokenMs => Tokens > _arrivals[0].Tokens ? Milliseconds(_arrivals[0].Time, _arrivals[^1].Time) / (Tokens - _arrivals[0].Tokens) : null;

    /// <summary>Between events.</summary>
    public IEnumerable<double> GapsMs => _arrivals.Zip(_arrivals.Skip(1), (before, after) => Milliseconds(before.Time, after.Time));

    /// <summary>Tokens that had come by a time.</summary>
    public int TokensAt(long time) => _arrivals.LastOrDefault(arrival => arrival.Time <= time).Tokens;

    /// <summary>Sends it and reads the stream to its end.</summary>
    public async Task RunAsync(HttpClient client, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            timeout.CancelAfter(patience);
            Sent = Stopwatch.GetTimestamp();
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            if (!response.IsSuccessStatusCode)
            {
                _error.Append(CultureInfo.InvariantCulture, $"{(int)response.StatusCode}: {ServerConnection.ReasonOf(await response.Content.ReadAsStringAsync(timeout.Token))}");
                return;
            }

            await ReadAsync(PipeReader.Create(await response.Content.ReadAsStreamAsync(timeout.Token)), timeout.Token);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            _error.Append(exception is OperationCanceledException && !cancellationToken.IsCancellationRequested
                ? string.Create(CultureInfo.InvariantCulture, $"not ended within {patience.TotalSeconds} s") : exception.Message);
        }
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

    private async Task ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken);
            long now = Stopwatch.GetTimestamp();
            var buffer = result.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                Take(buffer.Slice(0, end), now);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                await reader.CompleteAsync();
                return;
            }
        }
    }

    private static int? NumberIn(ReadOnlySpan<byte> text, ReadOnlySpan<byte> field)
    {
        int at = text.LastIndexOf(field);
        return at >= 0 && Utf8Parser.TryParse(text[(at + field.Length)..].TrimStart((byte)' '), out int number, out _) ? number : null;
    }

    /// <summary>A line: events say how many tokens there are by then, and how many were cached; nothing else is read of them.</summary>
    private void Take(ReadOnlySequence<byte> line, long now)
    {
        byte[]? rented = line.IsSingleSegment ? null : ArrayPool<byte>.Shared.Rent((int)line.Length);
        if (rented is not null)
        {
            line.CopyTo(rented);
        }

        var text = rented is null ? line.FirstSpan : rented.AsSpan(0, (int)line.Length);
        CachedTokens = NumberIn(text, "\"cached_tokens\":"u8) ?? CachedTokens;
        if (NumberIn(text, "\"completion_tokens\":"u8) is { } tokens)
        {
            if (tokens > Tokens)
            {
                _arrivals.Add((now, tokens));
            }
        }
        else if (text.StartsWith("data: {"u8) && text.IndexOf("\"error\""u8) >= 0)
        {
            _error.Append(ServerConnection.ReasonOf(Encoding.UTF8.GetString(text["data: ".Length..])));
        }
        else if (text.StartsWith("data: {"u8))
        {
            _arrivals.Add((now, Tokens + 1)); // A server that counts only at the end.
        }

        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}

/// <summary>A prompt, which several requests may have.</summary>
/// <param name="Number">Its own.</param>
/// <param name="Tokens">Its length.</param>
/// <param name="Shared">How many of them, at its beginning, other prompts of its group have too.</param>
/// <param name="Group">Its group.</param>
internal sealed record BenchPrompt(int Number, int Tokens, int Shared, int Group);

/// <summary>Makes requests: random prompts that are like none of another run, but for what they share on purpose.</summary>
/// <param name="options">What was asked for.</param>
/// <param name="generate">Whether the server is asked by /generate.</param>
/// <param name="model">The model's name; null where it is not said.</param>
/// <param name="anew">Whether the server is asked to remember no answers: a run again would measure nothing.</param>
internal sealed class BenchRequests(BenchOptions options, bool generate, string? model, bool anew)
{
    private int _number;
    private int _prompts;

    /// <summary>Requests with prompts that were not sent before.</summary>
    /// <param name="count">How many.</param>
    public BenchRequest[] Next(int count) =>
        [.. Enumerable.Range(0, count).Chunk(options.Samples).SelectMany(samples => Of(++_prompts, samples.Length, outputTokens: null))];

    /// <summary>Requests of another length and one sample each, as a warm-up.</summary>
    /// <param name="count">How many.</param>
    /// <param name="outputTokens">Tokens that each is to generate.</param>
    public BenchRequest[] NextShort(int count, int outputTokens) => [.. Enumerable.Range(0, count).SelectMany(_ => Of(++_prompts, 1, outputTokens))];

    private IEnumerable<BenchRequest> Of(int number, int samples, int? outputTokens)
    {
        // Different from the first id on: no prefix cache helps but with what is shared on purpose.
        var random = new Random(unchecked((options.Seed * 1_000_003) + number));
        int[] ids = new int[options.PromptTokens.Draw(random)];
        int[] outputs = [.. Enumerable.Range(0, samples).Select(_ => outputTokens ?? options.OutputTokens.Draw(random))];
        int group = random.Next(options.PrefixGroups);
        var shared = new Random(unchecked(-1 - ((options.Seed * 1_009) + group)));
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = (i < options.SharedPrefix ? shared : random).Next(options.Vocabulary);
        }

        var prompt = new BenchPrompt(number, ids.Length, options.SharedPrefix, group);
        return outputs.Select(tokens => new BenchRequest(
            generate ? "generate" : "v1/completions", Encoding.ASCII.GetBytes(Body(ids, tokens, ++_number)), prompt, tokens));
    }

    private string Body(int[] prompt, int outputs, int number)
    {
        var body = new StringBuilder("{");
        if (model is not null)
        {
            body.Append(CultureInfo.InvariantCulture, $"\"model\":\"{JsonEncodedText.Encode(model)}\",");
        }

        if (anew)
        {
            body.Append("\"cache\":false,");
        }

        body.Append(generate ? "\"input_ids\":[" : "\"prompt\":[").AppendJoin(',', prompt).Append("],\"stream\":true,");
        return body.Append(generate
            ? string.Create(CultureInfo.InvariantCulture, $"\"sampling_params\":{{\"max_new_tokens\":{outputs},\"temperature\":{options.Temperature},\"sampling_seed\":{number},\"ignore_eos\":true}}}}")
            : string.Create(CultureInfo.InvariantCulture, $"\"stream_options\":{{\"include_usage\":true,\"continuous_usage_stats\":true}},\"max_tokens\":{outputs},\"temperature\":{options.Temperature},\"seed\":{number},\"ignore_eos\":true}}")).ToString();
    }
}
