using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text;

namespace Grid.Benchmarks.Overhead;

/// <summary>Clients of /v1/completions that read server-sent events. An event's id says how many tokens there are by then.</summary>
internal static class EventStreams
{
    /// <summary>Runs all streams at once.</summary>
    public static async Task<RunResult> RunAsync(HttpClient client, string model, OverheadOptions options, int run)
    {
        long start = Stopwatch.GetTimestamp();
        var logs = await Task.WhenAll(Enumerable.Range(0, options.Streams).Select(s => Task.Run(() => RunAsync(client, model, options, run, s))));
        return RunResult.Of(start, logs, options);
    }

    private static async Task<StreamLog> RunAsync(HttpClient client, string model, OverheadOptions options, int run, int stream)
    {
        string body = $"{{\"model\":\"{model}\",\"prompt\":[{string.Join(',', options.Prompt(run, stream))}],\"max_tokens\":{options.OutputTokens},\"seed\":{stream},\"ignore_eos\":true,\"stream\":true,\"stream_options\":{{\"include_event_ids\":true}}}}";
        using var content = new ByteArrayContent(Encoding.ASCII.GetBytes(body));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/completions") { Content = content };
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        }

        var log = new StreamLog();
        var reader = PipeReader.Create(await response.Content.ReadAsStreamAsync());
        while (true)
        {
            var result = await reader.ReadAsync();
            reader.AdvanceTo(Take(result.Buffer, log), result.Buffer.End);
            if (result.IsCompleted)
            {
                await reader.CompleteAsync();
                return log;
            }
        }
    }

    /// <summary>Reads whole lines; gives where the rest begins.</summary>
    private static SequencePosition Take(ReadOnlySequence<byte> buffer, StreamLog log)
    {
        long now = Stopwatch.GetTimestamp();
        var lines = new SequenceReader<byte>(buffer);
        while (lines.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            var start = line.FirstSpan;
            if (!line.IsSingleSegment)
            {
                start = line.ToArray();
            }

            // id: <32 digits>:<tokens>/<characters>
            if (start.StartsWith("id: "u8) && start.Length > 37 && Utf8Parser.TryParse(start[37..], out int tokens, out _))
            {
                log.Add(now, tokens);
            }
        }

        return lines.Position;
    }
}
