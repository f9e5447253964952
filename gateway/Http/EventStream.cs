using System.Buffers;
using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;

namespace Grid.Gateway.Http;

/// <summary>
/// Server-sent events written straight into the response's pipe, each an id, where the stream can be resumed, and a line
/// of JSON. On a stream that is resumed, events that the client has already are left out.
/// </summary>
internal sealed class EventStream : IDisposable
{
    /// <summary>JSON as answers write it: other scripts stay readable.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly PipeWriter _pipe;
    private readonly Utf8JsonWriter _json;
    private readonly StreamPosition? _position;
    private readonly StreamPosition? _known;
    private readonly ActiveRequest _request;
    private ArrayBufferWriter<byte>? _leftOut;
    private Task _flush = Task.CompletedTask;
    private bool _isKnown;

    /// <summary>Sets the response's headers.</summary>
    /// <param name="response">Takes the events.</param>
    /// <param name="position">Where the stream is; null when it cannot be resumed, and its events have no ids.</param>
    /// <param name="request">Whether it can be already.</param>
    public EventStream(HttpResponse response, StreamPosition? position, ActiveRequest request)
    {
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Proxies that buffer would turn the stream into one late answer.
        response.Headers["X-Accel-Buffering"] = "no";
        _request = request;
        if (position is not null && HasIds)
        {
            response.Headers["X-Sequence-Id"] = position.Request.ToString("N");
        }
        _pipe = response.BodyWriter;
        _json = new Utf8JsonWriter(_pipe, WriterOptions);
        _position = position?.Copy();
        _known = position;
    }

    private bool HasIds => _request.Stream is not null;

    /// <summary>Bytes written and not yet flushed.</summary>
    public long UnflushedBytes => _pipe.UnflushedBytes;

    /// <summary>Says where the next event leads one of the stream's sequences; false when the client has that event, and
    /// it is left out.</summary>
    public bool MoveTo(int sequence, SequenceProgress position)
    {
        if (_position is not null)
        {
            _isKnown = _known!.Sequences[sequence].Covers(position);
            if (!_isKnown)
            {
                _position.Sequences[sequence] = position;
            }
        }
        return !_isKnown;
    }

    /// <summary>Says that the next event is the usage.</summary>
    public void MoveToUsage()
    {
        if (_position is not null)
        {
            _isKnown = _known!.Stage >= StreamStage.Usage;
            _position.Stage = StreamStage.Usage;
        }
    }

    /// <summary>Begins an event; what is written to the returned writer is its JSON.</summary>
    public Utf8JsonWriter Begin()
    {
        if (_isKnown)
        {
            _leftOut ??= new ArrayBufferWriter<byte>(1024);
            _leftOut.ResetWrittenCount();
            _json.Reset(_leftOut);
            return _json;
        }
        WriteId();
        Write("data: "u8);
        _json.Reset(_pipe);
        return _json;
    }

    /// <summary>Begins an event that leads nowhere: it tells of the stream, and its id is that of the last one.</summary>
    public Utf8JsonWriter BeginAside()
    {
        _isKnown = false;
        return Begin();
    }

    /// <summary>Ends the event.</summary>
    public void End()
    {
        _json.Flush();
        if (!_isKnown)
        {
            Write("\n\n"u8);
        }
        _isKnown = false;
    }

    /// <summary>Ends the stream.</summary>
    /// <param name="complete">Whether all has been told: there is nothing left to resume.</param>
    public void Done(bool complete)
    {
        if (complete && _position is not null)
        {
            _position.Stage = StreamStage.End;
        }
        WriteId();
        Write("data: [DONE]\n\n"u8);
    }

    /// <summary>Sends what was written; waits while the client is far behind. Cancelled, it stops waiting and the sending goes
    /// on (<see cref="SentAsync"/>).</summary>
    /// <param name="aborted">The client has left. Nothing else may cancel the pipe's own flush: the server would break the
    /// connection, and the client would miss the stream's last words.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async ValueTask FlushAsync(CancellationToken aborted, CancellationToken cancellationToken)
    {
        var flush = _pipe.FlushAsync(aborted);
        if (!flush.IsCompletedSuccessfully)
        {
            _flush = flush.AsTask();
            await _flush.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Waits until the flush is over that <see cref="FlushAsync"/> no longer waits for; nothing may be written before.</summary>
    public Task SentAsync(CancellationToken cancellationToken) => _flush.WaitAsync(cancellationToken);

    public void Dispose() => _json.Dispose();

    private void WriteId()
    {
        if (_position is null || !HasIds)
        {
            return;
        }
        Write("id: "u8);
        _pipe.Advance(_position.Format(_pipe.GetSpan(_position.MaxLength)));
        Write("\n"u8);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_pipe.GetSpan(bytes.Length));
        _pipe.Advance(bytes.Length);
    }
}
