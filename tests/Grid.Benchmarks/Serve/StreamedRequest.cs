using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Grid.Benchmarks.Serve;

/// <summary>One streamed request to /generate, and when its tokens came. Timestamps are <see cref="Stopwatch"/>'s.</summary>
internal sealed class StreamedRequest(ServeOptions options, int number, int outputTokens)
{
    private readonly List<(long Time, int Tokens)> _arrivals = new(outputTokens);
    private readonly StringBuilder _error = new();

    /// <summary>When it was sent.</summary>
    public long Sent { get; private set; }

    /// <summary>Every event that brought tokens: when, and how many there were in all by then.</summary>
    public IReadOnlyList<(long Time, int Tokens)> Arrivals => _arrivals;

    /// <summary>Tokens in all.</summary>
    public int Tokens => _arrivals.Count == 0 ? 0 : _arrivals[^1].Tokens;

    /// <summary>What went wrong; null when all tokens came.</summary>
    public string? Error => _error.Length > 0 ? _error.ToString() : Tokens == outputTokens ? null : $"{Tokens} of {outputTokens} tokens came.";

    /// <summary>Sends it and reads the stream to its end.</summary>
    public async Task RunAsync(HttpClient client)
    {
        try
        {
            using var content = new ByteArrayContent(Encoding.ASCII.GetBytes(Body()));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var request = new HttpRequestMessage(HttpMethod.Post, "generate") { Content = content };
            using var timeout = new CancellationTokenSource(options.Timeout);
            Sent = Stopwatch.GetTimestamp();
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            if (!response.IsSuccessStatusCode)
            {
                _error.Append(CultureInfo.InvariantCulture, $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(timeout.Token)}");
                return;
            }

            await ReadAsync(PipeReader.Create(await response.Content.ReadAsStreamAsync(timeout.Token)), timeout.Token);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            _error.Append(exception.Message);
        }
    }

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

    /// <summary>A line: events are cumulative and say how many tokens there are; only that is read.</summary>
    private void Take(ReadOnlySequence<byte> line, long now)
    {
        byte[]? rented = line.IsSingleSegment ? null : ArrayPool<byte>.Shared.Rent((int)line.Length);
        if (rented is not null)
        {
            line.CopyTo(rented);
        }

        var text = rented is null ? line.FirstSpan : rented.AsSpan(0, (int)line.Length);
        var field = "\"completion_tokens\":"u8;
        int at = text.LastIndexOf(field);
        if (at >= 0 && Utf8Parser.TryParse(text[(at + field.Length)..], out int tokens, out _))
        {
            if (tokens > Tokens)
            {
                _arrivals.Add((now, tokens));
            }
        }
        else if (text.StartsWith("data: {"u8))
        {
            _error.Append(Encoding.UTF8.GetString(text));
        }

        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private string Body()
    {
        // Different prompts from the first id on: no prefix cache helps.
        var random = new Random(unchecked((options.Seed * 1_000_003) + number));
        var body = new StringBuilder("{");
        if (options.Model is { } model)
        {
            body.Append(CultureInfo.InvariantCulture, $"\"model\":\"{JsonEncodedText.Encode(model)}\",");
        }

        body.Append("\"input_ids\":[");
        for (int i = 0; i < options.PromptTokens; i++)
        {
            body.Append(CultureInfo.InvariantCulture, $"{(i > 0 ? "," : "")}{random.Next(options.Vocabulary)}");
        }

        return body.Append(CultureInfo.InvariantCulture,
            $"],\"stream\":true,\"sampling_params\":{{\"max_new_tokens\":{outputTokens},\"temperature\":{options.Temperature},\"sampling_seed\":{number},\"ignore_eos\":true}}}}").ToString();
    }
}
