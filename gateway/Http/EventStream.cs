using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Grid.Gateway.Http;

/// <summary>Server-sent events written straight into the response's pipe, each a line of JSON.</summary>
internal sealed class EventStream : IDisposable
{
    /// <summary>JSON as answers write it: other scripts stay readable.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly PipeWriter _pipe;
    private readonly Utf8JsonWriter _json;

    /// <summary>Sets the response's headers.</summary>
    public EventStream(HttpResponse response)
    {
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Proxies that buffer would turn the stream into one late answer.
        response.Headers["X-Accel-Buffering"] = "no";
        _pipe = response.BodyWriter;
        _json = new Utf8JsonWriter(_pipe, WriterOptions);
    }

    /// <summary>Bytes written and not yet flushed.</summary>
    public long UnflushedBytes => _pipe.UnflushedBytes;

    /// <summary>Begins an event; what is written to the returned writer is its JSON.</summary>
    public Utf8JsonWriter Begin()
    {
        Write("data: "u8);
        _json.Reset();
        return _json;
    }

    /// <summary>Ends the event.</summary>
    public void End()
    {
        _json.Flush();
        Write("\n\n"u8);
    }

    /// <summary>Ends the stream.</summary>
    public void Done() => Write("data: [DONE]\n\n"u8);

    /// <summary>Sends what was written.</summary>
    public ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken) => _pipe.FlushAsync(cancellationToken);

    public void Dispose() => _json.Dispose();

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_pipe.GetSpan(bytes.Length));
        _pipe.Advance(bytes.Length);
    }
}
