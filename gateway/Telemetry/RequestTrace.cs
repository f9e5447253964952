using System.Diagnostics;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains;

namespace Grid.Gateway.Telemetry;

/// <summary>
/// A request's span, by OpenTelemetry's conventions for generative AI: who called it is its parent (<c>traceparent</c>), its sequences are its
/// parts. It has numbers and names, and nothing of prompts or answers.
/// </summary>
internal sealed class RequestTrace
{
    private const string Header = "traceparent";

    private readonly Activity _span;
    private string? _error;

    private RequestTrace(Activity span) => _span = span;

    /// <summary>The span, as its parts name their parent.</summary>
    public string? Id => _span.Id;

    /// <summary>Begins a request's span, and tells the client of it; null where nobody wants one.</summary>
    /// <param name="context">The client.</param>
    /// <param name="plan">The request.</param>
    /// <param name="begun">The span of the request that this one goes on with; null where it is new.</param>
    public static RequestTrace? Begin(HttpContext context, RequestPlan plan, string? begun)
    {
        string operation = plan is ChatPlan ? "chat" : "text_completion";
        if (Tracing.Start($"{operation} {plan.Model.Id}", ActivityKind.Server, context.Request.Headers.TraceParent, begun) is not { } span)
        {
            return null;
        }
        span.SetTag("gen_ai.operation.name", operation);
        span.SetTag("gen_ai.provider.name", "grid");
        span.SetTag("gen_ai.request.model", plan.Model.Id);
        span.SetTag("grid.numerics_id", plan.Model.NumericsId);
        span.SetTag("http.route", (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText);
        span.SetTag("grid.request.id", context.TraceIdentifier);
        span.SetTag("grid.request.stream", plan.Stream);
        span.SetTag("grid.request.prompts", plan.Prompts.Count);
        if (plan.Tenant is { } tenant)
        {
            span.SetTag("grid.key", tenant);
        }
        if (plan.Sequences.Count > plan.Prompts.Count)
        {
            span.SetTag("gen_ai.request.choice.count", plan.Sequences.Count / plan.Prompts.Count);
        }
        var generation = plan.Sequences[0].Spec.Generation;
        var sampling = generation.Sampling;
        span.SetTag("gen_ai.request.max_tokens", generation.MaxNewTokens);
        span.SetTag("gen_ai.request.temperature", sampling.Temperature);
        span.SetTag("gen_ai.request.top_p", sampling.TopP);
        span.SetTag("gen_ai.request.top_k", sampling.TopK);
        span.SetTag("gen_ai.request.presence_penalty", sampling.PresencePenalty);
        span.SetTag("gen_ai.request.frequency_penalty", sampling.FrequencyPenalty);
        span.SetTag("gen_ai.request.seed", unchecked((long)sampling.Seed));
        context.Response.Headers[Header] = span.Id;
        var trace = new RequestTrace(span);
        context.Features.Set(trace);
        return trace;
    }

    /// <summary>It was answered.</summary>
    public void Answered(IReadOnlyList<Transcript> transcripts, int prompt, int completion)
    {
        _span.SetTag("gen_ai.response.id", transcripts[0].Id.ToString("N"));
        _span.SetTag("gen_ai.response.model", _span.GetTagItem("gen_ai.request.model"));
        _span.SetTag("gen_ai.response.finish_reasons", transcripts.Select(transcript => transcript.FinishReason ?? "error").ToArray());
        _span.SetTag("gen_ai.usage.input_tokens", prompt);
        _span.SetTag("gen_ai.usage.output_tokens", completion);
    }

    /// <summary>It failed; the API's code says how.</summary>
    public void Fail(string? code) => _error ??= code ?? "error";

    /// <summary>Ends it.</summary>
    public void End() => Tracing.End(_span, _error);
}
