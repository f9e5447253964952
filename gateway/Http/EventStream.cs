using System.Buffers;
using System.IO.Pipelines;
using System.Text.Encodings.Web;
using System.Text.Json;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;

namespace Grid.Gateway.Http;

/// <summary>
/// Server-sent events written straight into the response's pipe, each a line of JSON, and before it an id where those are asked for
/// and the stream can be resumed. On a stream that is resumed, events that the client has already are left out.
/// </summary>
internal sealed class EventStream : IDisposable
{
    /// <summary>Tells the id under which a stream goes on, and receipts are found. Who knows it is let to both.</summary>
    public const string IdHeader = "X-Sequence-Id";

    /// <summary>JSON as answers write it: other scripts stay readable.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly PipeWriter _pipe;
    private readonly Utf8JsonWriter _json;
    private readonly StreamPosition? _position;
    private readonly StreamPosition? _known;
    private readonly ActiveRequest _request;
    private readonly bool _withIds;
    private readonly SentEvents? _sent;
    private ArrayBufferWriter<byte>? _leftOut;
    private Task _flush = Task.CompletedTask;
    private bool _isKnown;
    private bool _isQuiet;
    private (int Sequence, SequenceProgress Progress) _move = (-1, default);

    /// <summary>Sets the response's headers, unless it waited and has sent them.</summary>
    /// <param name="response">Takes the events.</param>
    /// <param name="position">Where the stream is; null when it cannot be resumed.</param>
    /// <param name="request">Whether it can be already.</param>
    /// <param name="withIds">Whether its events have ids then.</param>
    /// <param name="sent">Is told where each event leads; null where nobody wants to know.</param>
    public EventStream(HttpResponse response, StreamPosition? position, ActiveRequest request, bool withIds, SentEvents? sent = null)
    {
        _sent = sent;
        _request = request;
        _withIds = withIds;
        if (!response.HasStarted)
        {
            SetHeaders(response, IsKept ? position?.Request : null);
        }
        _pipe = response.BodyWriter;
        _json = new Utf8JsonWriter(_pipe, WriterOptions);
        _position = position?.Copy();
        _known = position;
    }

    private bool IsKept => _request.Stream is not null;

    /// <summary>Waits for what comes before a stream's first event. When that takes long the headers are sent, and then signs of life: a
    /// proxy closes what is silent.</summary>
    /// <param name="response">Takes them.</param>
    /// <param name="request">The stream's id; null when it will not be kept.</param>
    /// <param name="withIds">Whether its events have ids.</param>
    /// <param name="ready">What is waited for.</param>
    /// <param name="silence">How long it may be silent.</param>
    /// <param name="clock">Time.</param>
    /// <param name="aborted">The client has left.</param>
    public static async Task WaitAsync(HttpResponse response, Guid? request, bool withIds, Task ready, TimeSpan silence, TimeProvider clock, CancellationToken aborted)
    {
        while (true)
        {
            await ready.WaitAsync(silence, clock, aborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (ready.IsCompleted || aborted.IsCancellationRequested)
            {
                return;
            }
            if (!response.HasStarted)
            {
                SetHeaders(response, request);
            }
            response.BodyWriter.Write(SignOfLife(withIds));
            Task flush = response.BodyWriter.FlushAsync(aborted).AsTask();
            await flush.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Bytes written and not yet flushed.</summary>
    public long UnflushedBytes => _pipe.UnflushedBytes;

    /// <summary>Says where the next event leads one of the stream's sequences; false when the client has that event, and
    /// it is left out.</summary>
    public bool MoveTo(int sequence, SequenceProgress position)
    {
        if (_position is not null)
        {
            _move = (sequence, position);
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
            _move = (-2, default);
            _isKnown = _known!.Stage >= StreamStage.Usage;
            _position.Stage = StreamStage.Usage;
        }
    }

    /// <summary>Some time has passed: writes a sign of life if nothing was written in it.</summary>
    public void Tick()
    {
        if (_isQuiet)
        {
            Write(SignOfLife(_withIds));
        }
        _isQuiet = true;
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
        _isQuiet = false;
        WriteId();
        Write("data: "u8);
        _json.Reset(_pipe);
        return _json;
    }

    /// <summary>Begins an event that leads nowhere: it tells of the stream, and its id is that of the last one.</summary>
    public Utf8JsonWriter BeginAside()
    {
        _move = (-1, default);
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
            _sent?.Add(_move.Sequence, _move.Progress);
        }
        _move = (-1, default);
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

    /// <summary>A comment for who asks for ids, and so reads events as they are meant to be read. Others take a comment for data too, but
    /// nobody takes an empty line for anything.</summary>
    private static ReadOnlySpan<byte> SignOfLife(bool withIds) => withIds ? ": waiting\n\n"u8 : "\n"u8;

    private static void SetHeaders(HttpResponse response, Guid? request)
    {
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Proxies that buffer would turn the stream into one late answer.
        response.Headers["X-Accel-Buffering"] = "no";
        if (request is { } id)
        {
            response.Headers[IdHeader] = id.ToString("N");
        }
    }

    private void WriteId()
    {
        if (_position is null || !_withIds || !IsKept)
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
