using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>The endpoints that run sequences: parse, run, answer.</summary>
internal sealed class InferenceEndpoints(ISequenceService service, AnswerRunner runner, BodyBudget budget, IOptions<GatewayOptions> options)
{
    /// <summary>POST /v1/chat/completions.</summary>
    public Task ChatAsync(HttpContext context) => AnswerAsync(context, ChatRequest.Parse);

    /// <summary>POST /v1/completions.</summary>
    public Task CompleteAsync(HttpContext context) => AnswerAsync(context, CompletionRequest.Parse);

    /// <summary>POST /generate.</summary>
    public Task GenerateAsync(HttpContext context) => AnswerAsync(context, GenerateRequest.Parse);

    private async Task AnswerAsync(HttpContext context, Func<JsonElement, ISequenceService, GatewayOptions, RequestPlan> parse) =>
        await runner.RunAsync(context, await ReadAsync(context, parse));

    /// <summary>The body is let go of when its request has been understood.</summary>
    private async Task<RequestPlan> ReadAsync(HttpContext context, Func<JsonElement, ISequenceService, GatewayOptions, RequestPlan> parse)
    {
        var bytes = await RequestBody.ReadAsync(context, budget);
        using var turn = await budget.TakeTurnAsync(bytes.Length, context.RequestAborted);
        using var body = RequestBody.Parse(bytes, options.Value.MaxJsonDepth);
        var plan = parse(body.RootElement, service, options.Value);
        plan.RequireRoom();
        return plan with { EventIds = plan.EventIds || EventIds.AreAsked(context.Request) };
    }
}
