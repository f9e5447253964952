using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using Grid.Gateway.Telemetry;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains;
using Grid.Numerics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Exporter;

namespace Grid.Gateway.Tests;

/// <summary>What a request's span says, and that it gets to a collector.</summary>
public sealed class TelemetryTests : IDisposable
{
    private readonly ActivityContext _caller = new(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);
    private readonly ConcurrentQueue<Activity> _spans = new();
    private readonly ActivityListener _listener;

    public TelemetryTests()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Tracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> options) => options.Parent.TraceId == _caller.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = _spans.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _listener.Dispose();

    [Theory]
    [InlineData("/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"hush\"}],\"max_tokens\":4,\"n\":2,\"seed\":-1,\"temperature\":0.5}", "chat")]
    [InlineData("/v1/completions", "{\"prompt\":\"hush\",\"max_tokens\":4,\"n\":2,\"seed\":-1,\"temperature\":0.5,\"stream\":true}", "text_completion")]
    public async Task A_requests_span_has_the_callers_for_a_parent_and_the_conventions_names_and_no_prompt(string path, string json, string operation)
    {
        await using var app = await GatewayApp.StartAsync();
        using var answer = await SendAsync(app, path, json);
        string body = await answer.Content.ReadAsStringAsync(Token);
        var span = await SpanAsync();
        Assert.Equal((_caller.TraceId, _caller.SpanId, $"{operation} tiny"), (span.TraceId, span.ParentSpanId, span.OperationName));
        Assert.Equal(span.Id, answer.Headers.GetValues("traceparent").Single());
        Assert.All(app.Grid.Started, spec => Assert.Equal(span.Id, spec.Trace));
        var tags = span.TagObjects.ToDictionary();
        Assert.Equal((operation, "tiny", 4, 2), (tags["gen_ai.operation.name"], tags["gen_ai.request.model"], tags["gen_ai.request.max_tokens"], tags["gen_ai.request.choice.count"]));
        Assert.Equal((-1L, 0.5f, path), (tags["gen_ai.request.seed"], tags["gen_ai.request.temperature"], tags["http.route"]));
        Assert.Equal(2, ((string[])tags["gen_ai.response.finish_reasons"]!).Length);
        Assert.True((int)tags["gen_ai.usage.output_tokens"]! > 0 && (int)tags["gen_ai.usage.input_tokens"]! > 0);
        Assert.DoesNotContain(tags, tag => $"{tag.Value}".Contains("hush", StringComparison.Ordinal));
        Assert.Equal(ActivityStatusCode.Unset, span.Status);
        Assert.NotEmpty(body);
    }

    [Fact]
    public async Task A_request_that_fails_says_how_and_one_that_nobody_traces_has_no_span()
    {
        await using var app = await GatewayApp.StartAsync();
        app.Grid.Admission = _ => throw new RefusedException(new Refusal { Kind = RefusalKind.Overloaded, Rule = "It is full of hush." });
        using var refused = await SendAsync(app, "/v1/completions", "{\"prompt\":\"hush\"}");
        var span = await SpanAsync();
        Assert.Equal((ActivityStatusCode.Error, "overloaded", null), (span.Status, span.GetTagItem("error.type"), span.StatusDescription));

        app.Grid.Admission = null;
        using var plain = await app.SendAsync("/v1/completions", "{\"prompt\":\"x\"}");
        Assert.False(plain.Headers.Contains("traceparent"));
        Assert.All(app.Grid.Started, spec => Assert.Null(spec.Trace));
    }

    [Fact]
    public async Task A_stream_that_is_resumed_names_the_span_that_began_it()
    {
        await using var app = (await GatewayApp.StartAsync()).WithEventIds();
        using var begun = await SendAsync(app, "/v1/completions", "{\"prompt\":\"x\",\"stream\":true}");
        await begun.Content.ReadAsStringAsync(Token);
        var first = await SpanAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/sequences/{begun.Headers.GetValues("X-Sequence-Id").Single()}/events") { Headers = { { "traceparent", Parent } } };
        using var resumed = await app.Client.SendAsync(request, Token);
        await resumed.Content.ReadAsStringAsync(Token);
        await Until.HoldsAsync(() => _spans.Count == 2, "The second span never ended.");
        Assert.Equal(first.SpanId, Assert.Single(_spans.Last().Links).Context.SpanId);
    }

    /// <summary>In OpenTelemetry's own protocol, over HTTP: its texts lie in the body as they are.</summary>
    [Fact]
    public async Task Traces_and_metrics_get_to_a_collector()
    {
        var got = new ConcurrentDictionary<string, string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var collector = builder.Build();
        collector.MapPost("/v1/{signal}", async (HttpContext context, string signal) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, Token);
            got[signal] = Encoding.Latin1.GetString(body.ToArray());
        });
        await collector.StartAsync(Token);
        var address = new Uri(collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

        var node = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        node.Services.AddGridTelemetry(new TelemetryOptions { OtlpEndpoint = address, OtlpProtocol = OtlpExportProtocol.HttpProtobuf }, "grid-gateway", "node-7");
        using (var host = node.Build())
        {
            await host.StartAsync(Token);
            var meter = host.Services.GetRequiredService<IMeterFactory>().Create("Grid.Test");
            meter.CreateCounter<int>("grid.test.counter").Add(1);
            Tracing.End(Tracing.Start("a span of a test", ActivityKind.Server, null));
            await host.StopAsync(Token);
        } // What is left is sent.
        Assert.Contains("a span of a test", got["traces"], StringComparison.Ordinal);
        Assert.Contains("grid.test.counter", got["metrics"], StringComparison.Ordinal);
        Assert.All(got.Values, body => Assert.Contains("node-7", body, StringComparison.Ordinal));
    }

    private string Parent => $"00-{_caller.TraceId}-{_caller.SpanId}-01";

    private async Task<Activity> SpanAsync()
    {
        await Until.HoldsAsync(() => !_spans.IsEmpty, "The span never ended.");
        return _spans.First();
    }

    private async Task<HttpResponseMessage> SendAsync(GatewayApp app, string path, string json)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json"), Headers = { { "traceparent", Parent } } };
        return await app.Client.SendAsync(request, Token);
    }
}
