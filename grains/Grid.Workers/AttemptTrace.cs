using System.Diagnostics;
using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Workers;

/// <summary>What a device does for an attempt, as a span with the parts "queue", "prefill" and "decode". Told on the device's thread, from
/// step to step.</summary>
/// <param name="span">The span.</param>
/// <param name="time">The clock.</param>
internal sealed class AttemptTrace(Activity span, TimeProvider time)
{
    private readonly DateTimeOffset _submitted = time.GetUtcNow();
    private DateTimeOffset? _started;
    private DateTimeOffset? _firstToken;
    private int _cached;
    private int _steps;
    private int _tokens;

    /// <summary>A trace of an attempt; null where nobody wants one.</summary>
    public static AttemptTrace? Begin(SubmitRequest request, WorkerModel model, TimeProvider time)
    {
        if (Tracing.Start("execute", ActivityKind.Server, request.Trace) is not { } span)
        {
            return null;
        }

        span.SetTag("gen_ai.request.model", model.ModelId);
        span.SetTag("grid.device", model.Device);
        span.SetTag("grid.numerics_id", model.NumericsId);
        span.SetTag("grid.sequence.id", request.Attempt.Sequence.ToString("N"));
        span.SetTag("grid.sequence.epoch", request.Attempt.Epoch);
        span.SetTag("grid.prompt_tokens", request.PromptIds.Length);
        span.SetTag("grid.prior_output_tokens", request.PriorOutputIds.Length);
        return new AttemptTrace(span, time);
    }

    /// <summary>Takes what a step did.</summary>
    /// <param name="events">Of this attempt.</param>
    /// <param name="engine">Which counts its steps.</param>
    public void Take(List<EngineEvent> events, IInferenceEngine engine)
    {
        _steps++;
        foreach (var one in events)
        {
            switch (one)
            {
                case SequenceStarted started:
                    _started = time.GetUtcNow();
                    _cached = started.CachedTokens;
                    span.SetTag("grid.step.first", engine.Status.Steps);
                    break;
                case TokenGenerated:
                    _tokens++;
                    _firstToken ??= time.GetUtcNow();
                    break;
                case SequenceFinished finished:
                    span.SetTag("grid.step.last", engine.Status.Steps);
                    End(finished.Reason.ToString().ToLowerInvariant(), finished.Reason == FinishReason.Failed ? "failed" : null);
                    break;
            }
        }
    }

    /// <summary>Ends it.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="error">Where something went wrong, what.</param>
    public void End(string reason, string? error)
    {
        var now = time.GetUtcNow();
        Tracing.Add(span, "queue", _submitted, _started ?? now);
        if (_started is { } started)
        {
            Tracing.Add(span, "prefill", started, _firstToken ?? now);
        }

        if (_firstToken is { } first)
        {
            Tracing.Add(span, "decode", first, now);
        }

        span.SetTag("grid.finish_reason", reason);
        span.SetTag("grid.cached_tokens", _cached);
        span.SetTag("grid.steps", _steps);
        span.SetTag("grid.output_tokens", _tokens);
        Tracing.End(span, error);
    }
}
