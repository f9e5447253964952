using Grid.Gateway.Access;
using Grid.Gateway.Answers;
using Grid.Gateway.Caching;
using Grid.Gateway.Http;
using Grid.Gateway.Metrics;
using Grid.Gateway.Receipts;
using Grid.Gateway.Requests;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Gateway.Telemetry;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>Runs a planned request and sends its answer, whole or as a stream of events.</summary>
internal sealed class AnswerRunner(
    ISequenceService service, AnswerCache answers, ActiveRequests requests, RequestKeeper keeper, ReceiptSigner signer, IOptions<GatewayOptions> options, RequestMetrics metrics, TimeProvider clock, ILogger<AnswerRunner> logger)
{
    /// <summary>Bytes after which a stream is flushed even while updates are at hand.</summary>
    private const int FlushBytes = 64 * 1024;

    /// <summary>How long a client may take to read a stream's last words when the gateway ends it.</summary>
    private static readonly TimeSpan s_goodbye = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Starts the sequences, answers, and cancels what still runs when the client leaves. Failures before the first
    /// byte are thrown; later ones are sent as an error event, and then the stream's usual end.
    /// </summary>
    public async Task RunAsync(HttpContext context, RequestPlan plan)
    {
        await using var active = requests.Enter(context.RequestAborted);
        await RunAsync(context, active, plan);
    }

    /// <summary>As above, for a request that the gateway has taken in.</summary>
    /// <param name="context">The client.</param>
    /// <param name="active">The request.</param>
    /// <param name="plan">What to run.</param>
    /// <param name="stored">The request as it was kept, where it is claimed and goes on.</param>
    /// <param name="known">What its client has then.</param>
    /// <param name="sent">The events that led there, where it counted them.</param>
    public async Task RunAsync(HttpContext context, ActiveRequest active, RequestPlan plan, StoredRequest? stored = null, StreamPosition? known = null, SentEvents? sent = null)
    {
        long started = clock.GetTimestamp();
        var caller = Caller.Of(context);
        plan = plan with { Client = caller.Client, Tenant = caller.Tenant };
        RateLimitHeaders.WillShow(context.Response, service, caller.Client);
        var trace = RequestTrace.Begin(context, plan, stored?.Plan.Trace);
        plan = plan with { Trace = trace?.Id };
        if (plan.Timeout is { } seconds)
        {
            // One that is resumed has what is left.
            var limit = TimeSpan.FromSeconds(seconds);
            active.EndAfter(stored is null ? limit : stored.Created + limit - clock.GetUtcNow(), clock, ApiErrors.TimedOut(limit));
        }
        bool isTold = false;
        try
        {
            var request = known?.Request ?? Guid.NewGuid();
            var starting = StartAsync(plan, active, context.TraceIdentifier, known, started);
            if (plan.Stream)
            {
                await EventStream.WaitAsync(context.Response, keeper.MayKeep(plan) ? request : null, plan.EventIds, starting, options.Value.StreamKeepAlive, clock, context.RequestAborted);
            }
            (plan, var begun) = await starting;
            await using var batch = begun;
            if (known is null)
            {
                metrics.Begin(plan);
            }
            stored?.RequireSamePrompts(batch.Transcripts);
            var created = stored?.Created ?? clock.GetUtcNow();
            var receipts = new RequestReceipts(plan, request, signer, keeper);
            var answer = Answer.For(plan, batch.Transcripts[0].Id, created, clock);
            if (plan.Stream)
            {
                var position = known ?? keeper.Keep(request, plan, batch.Transcripts, created, active);
                // While the first tokens are made.
                await keeper.WaitAsync(active);
                using var events = new EventStream(context.Response, position, active, plan.EventIds, keeper.Log(position, plan, sent, active));
                isTold = true;
                await StreamAsync(context, active, batch, answer, events, known, receipts);
            }
            else
            {
                await foreach (var (transcript, update) in batch.Updates.ReadAllAsync(active.Token))
                {
                    transcript!.Apply(update);
                    if (update.FinishReason is not null)
                    {
                        receipts.End(transcript);
                    }
                }
                if (await receipts.KeptAsync())
                {
                    context.Response.Headers[EventStream.IdHeader] = $"{request:N}";
                }
                await JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json => answer.WriteWhole(json, batch.Transcripts), options.Value.ReaderTimeout);
            }
            var (prompt, _, completion) = Usage.Of(batch.Transcripts, plan.Prompts.Count);
            trace?.Answered(batch.Transcripts, prompt, completion);
            GatewayLog.Answered(logger, GatewayLog.PathOf(context), batch.Transcripts.Count, prompt, completion,
                clock.GetElapsedTime(started).TotalMilliseconds, caller.Tenant, plan.User is null ? null : JsonShown.Text(plan.User),
                context.TraceIdentifier);
        }
        catch (Exception exception) when (context.Response.HasStarted && plan.Stream && !isTold && !context.RequestAborted.IsCancellationRequested)
        {
            // It waited for so long that its status was sent.
            using var events = new EventStream(context.Response, known, active, plan.EventIds);
            await LeaveAsync(context, active, events, ErrorOf(context, active, exception));
        }
        catch (OperationCanceledException) when (active.EndedBy is { } error && !context.RequestAborted.IsCancellationRequested)
        {
            trace?.Fail(error.Code);
            throw new ApiException(error);
        }
        catch (Exception exception) when (trace is not null)
        {
            trace.Fail(context.RequestAborted.IsCancellationRequested ? "client_left" : ErrorMapping.ToApiError(exception, context.TraceIdentifier).Code);
            throw;
        }
        finally
        {
            trace?.End();
        }
    }

    /// <summary>Starts a request's sequences. Where the model gets other weights before any has begun, the request is for those.</summary>
    private async Task<(RequestPlan Plan, RunningBatch Batch)> StartAsync(
        RequestPlan plan, ActiveRequest active, string id, StreamPosition? known, long arrived)
    {
        while (true)
        {
            try
            {
                active.Progress = new RequestProgress(id, plan, clock.GetUtcNow());
                return (plan, await RunningBatch.StartAsync(answers, plan, active.Progress, known, sequence => metrics.Begin(plan, sequence, arrived), active.Token));
            }
            catch (ApiException exception) when (exception.Error.Code == ApiErrors.WeightsChanged && known is null)
            {
                plan = plan with { Model = await service.WaitForWeightsAsync(plan.Model, active.Token) };
            }
        }
    }

    private async Task StreamAsync(
        HttpContext context, ActiveRequest active, RunningBatch batch, Answer answer, EventStream events, StreamPosition? resumed, RequestReceipts receipts)
    {
        var known = resumed?.Sequences.Select(sequence => sequence.ToCursor()).ToArray();
        ApiError? error = null;
        using var ticks = clock.CreateTimer(_ => batch.Tick(), null, options.Value.StreamKeepAlive, options.Value.StreamKeepAlive);
        try
        {
            await FlushAsync(); // The headers, before there is a token.
            while (await batch.Updates.WaitToReadAsync(active.Token))
            {
                while (events.UnflushedBytes < FlushBytes && batch.Updates.TryRead(out var item))
                {
                    Write(item);
                }
                answer.WritePending(events);
                await FlushAsync();
            }
            await receipts.KeptAsync();
            answer.WriteEnd(events, batch.Transcripts);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            error = ErrorOf(context, active, exception);
        }
        await LeaveAsync(context, active, events, error);

        async ValueTask FlushAsync()
        {
            var flush = events.FlushAsync(context.RequestAborted, active.Token);
            if (!flush.IsCompleted)
            {
                using var stalls = clock.CreateTimer(
                    _ => active.End(ApiErrors.NotRead(options.Value.ReaderTimeout)), null, options.Value.ReaderTimeout, Timeout.InfiniteTimeSpan);
                await flush;
                return;
            }
            await flush;
        }

        void Write(BatchUpdate item)
        {
            var (transcript, update) = item;
            if (transcript is null)
            {
                events.Tick();
                return;
            }
            if (known is null)
            {
                Tell(transcript, update);
                return;
            }
            var cursor = known[transcript.Index];
            var (before, news) = cursor.Take(update);
            foreach (var part in new[] { before, news }.OfType<SequenceUpdate>())
            {
                Tell(transcript, part);
            }
            if (update.FinishReason is not null && cursor.IsBehind)
            {
                throw ApiErrors.WrongEventId(JsonShown.Text(resumed!.ToString()), "an id of an event of this stream; sequence "
                    + $"{transcript.Index} has {transcript.Tokens.Count} tokens and {transcript.Progress.Characters} characters");
            }
        }

        void Tell(Transcript transcript, SequenceUpdate update)
        {
            transcript.Apply(update);
            if (update.FinishReason is not null)
            {
                receipts.End(transcript);
            }
            answer.WriteUpdate(events, transcript, update);
        }
    }

    private ApiError ErrorOf(HttpContext context, ActiveRequest active, Exception exception)
    {
        var error = active.EndedBy ?? ErrorMapping.ToApiError(exception, context.TraceIdentifier);
        context.Features.Get<RequestTrace>()?.Fail(error.Code);
        if (active.EndedBy is { } ended)
        {
            GatewayLog.Ended(logger, GatewayLog.PathOf(context), ended.Code, context.TraceIdentifier);
            return ended;
        }
        GatewayLog.StreamFailed(logger, GatewayLog.PathOf(context), error.Code, context.TraceIdentifier,
            exception is ApiException or RefusedException ? null : exception);
        return error;
    }

    /// <summary>Sends what is left, and the end. A client that the gateway ends may not be reading; it is not waited for
    /// longer than a moment.</summary>
    private static async Task LeaveAsync(HttpContext context, ActiveRequest active, EventStream events, ApiError? error)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var ended = active.Token.UnsafeRegister(static source => ((CancellationTokenSource)source!).CancelAfter(s_goodbye), patience);
        try
        {
            // What was sent before comes first, where the client is behind.
            await events.SentAsync(patience.Token);
            if (error is not null)
            {
                JsonResponse.WriteError(events.BeginAside(), error);
                events.End();
            }
            events.Done(complete: error is null);
            await events.FlushAsync(context.RequestAborted, patience.Token);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
            await events.SentAsync(CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
