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

    private async Task AnswerAsync(HttpContext context, Func<JsonElement, ISequenceService, GatewayOptions, RequestPlan> parse)
    {
        var plan = await RequestBody.ReadAsync(context, budget, options.Value, body => parse(body, service, options.Value));
        plan.RequireRoom();
        await runner.RunAsync(context, plan with { EventIds = plan.EventIds || EventIds.AreAsked(context.Request) });
    }
}
