using Grid.Gateway.Answers;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>Runs a planned request and sends its answer, whole or as a stream of events.</summary>
internal sealed class AnswerRunner(ISequenceService service, TimeProvider clock, ILogger<AnswerRunner> logger)
{
    /// <summary>Bytes after which a stream is flushed even while updates are at hand.</summary>
    private const int FlushBytes = 64 * 1024;

    /// <summary>
    /// Starts the sequences, answers, and cancels what still runs when the client leaves. Failures before the first
    /// byte are thrown; later ones are sent as an error event, and then the stream's usual end.
    /// </summary>
    public async Task RunAsync(HttpContext context, RequestPlan plan, Func<RunningBatch, Answer> answerFor)
    {
        var started = clock.GetTimestamp();
        await using var batch = await RunningBatch.StartAsync(service, plan with { Client = ClientOf(context, plan) }, logger, context.RequestAborted);
        var answer = answerFor(batch);
        if (plan.Stream)
        {
            await StreamAsync(context, batch, answer);
        }
        else
        {
            await foreach (var (transcript, update) in batch.Updates.ReadAllAsync(context.RequestAborted))
            {
                transcript.Apply(update);
            }
            await JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json => answer.WriteWhole(json, batch.Transcripts));
        }
        var (prompt, _, completion) = Usage.Of(batch.Transcripts, plan.PromptCount);
        GatewayLog.Answered(logger, context.Request.Path, batch.Transcripts.Count, prompt, completion,
            clock.GetElapsedTime(started).TotalMilliseconds, plan.User is null ? null : JsonShown.Text(plan.User),
            context.TraceIdentifier);
    }

    /// <summary>The user that the client names, or else the address that it calls from.</summary>
    private static string ClientOf(HttpContext context, RequestPlan plan) =>
        plan.User is { } user ? $"user {user}" : $"address {context.Connection.RemoteIpAddress}";

    private async Task StreamAsync(HttpContext context, RunningBatch batch, Answer answer)
    {
        using var events = new EventStream(context.Response);
        try
        {
            while (await batch.Updates.WaitToReadAsync(context.RequestAborted))
            {
                while (events.UnflushedBytes < FlushBytes && batch.Updates.TryRead(out var item))
                {
                    item.Transcript.Apply(item.Update);
                    answer.WriteUpdate(events, item.Transcript, item.Update);
                }
                answer.WritePending(events);
                await events.FlushAsync(context.RequestAborted);
            }
            answer.WriteEnd(events, batch.Transcripts);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            var error = ErrorMapping.ToApiError(exception, context.TraceIdentifier);
            GatewayLog.StreamFailed(logger, context.Request.Path, error.Code, context.TraceIdentifier,
                exception is ApiException or GridRequestException ? null : exception);
            JsonResponse.WriteError(events.Begin(), error);
            events.End();
        }
        events.Done();
        await events.FlushAsync(context.RequestAborted);
    }
}
