using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>The endpoints that run sequences: parse, run, answer.</summary>
internal sealed class InferenceEndpoints(ISequenceService service, AnswerRunner runner, IOptions<GatewayOptions> options)
{
    /// <summary>POST /v1/chat/completions.</summary>
    public async Task ChatAsync(HttpContext context)
    {
        OpenAiPlan plan;
        using (var body = await RequestBody.ReadAsync(context, options.Value))
        {
            plan = ChatRequest.Parse(body.RootElement, service, options.Value);
        }
        await runner.RunAsync(context, plan);
    }

    /// <summary>POST /v1/completions.</summary>
    public async Task CompleteAsync(HttpContext context)
    {
        OpenAiPlan plan;
        using (var body = await RequestBody.ReadAsync(context, options.Value))
        {
            plan = CompletionRequest.Parse(body.RootElement, service, options.Value);
        }
        await runner.RunAsync(context, plan);
    }

    /// <summary>POST /generate.</summary>
    public async Task GenerateAsync(HttpContext context)
    {
        GeneratePlan plan;
        using (var body = await RequestBody.ReadAsync(context, options.Value))
        {
            plan = GenerateRequest.Parse(body.RootElement, service, options.Value);
        }
        await runner.RunAsync(context, plan);
    }
}
