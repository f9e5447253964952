using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Clustering;
using Grid.Gateway.Access;
using Grid.Gateway.Http;
using Grid.Gateway.Node;
using Grid.Resumption;
using Grid.Sequences;
using Grid.Tests.Streams;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Gateway.Tests.Fakes;

/// <summary>The gateway on a real server and a free port, before a fake grid.</summary>
public sealed class GatewayApp : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GatewayApp(WebApplication app, FakeSequenceService grid, LogCollector logs)
    {
        _app = app;
        Grid = grid;
        Logs = logs;
        Addresses = [.. app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];
        Client = new HttpClient { BaseAddress = Addresses[0], Timeout = TimeSpan.FromSeconds(30) };
    }

    public HttpClient Client { get; }

    /// <summary>Where it listens: for everything, and where there is one at the port of operations.</summary>
    public IReadOnlyList<Uri> Addresses { get; }

    /// <summary>What it answers, as it was mapped.</summary>
    public IReadOnlyList<RouteEndpoint> Endpoints => [.. _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()];

    internal FakeSequenceService Grid { get; }

    internal LogCollector Logs { get; }

    internal IServiceProvider Services => _app.Services;

    internal NodeHealth Node => _app.Services.GetRequiredService<NodeHealth>();

    public static Task<GatewayApp> StartAsync(params (string Key, string Value)[] settings) =>
        StartAsync(new MemoryRequestStore(TimeSpan.FromMinutes(5), MemoryRequestStore.DefaultMaxBytes, TimeProvider.System), settings);

    /// <summary>A gateway that keeps requests in a store, which it may share with others; null for none.</summary>
    public static Task<GatewayApp> StartAsync(IRequestStore? store, params (string Key, string Value)[] settings) => StartAsync(store, null, settings);

    /// <summary>A gateway that remembers answers in a store, which it may share with others.</summary>
    public static async Task<GatewayApp> StartAsync(IRequestStore? store, IAnswerStore? answers, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        var logs = new LogCollector();
        builder.Logging.ClearProviders().AddProvider(logs);
        var grid = new FakeSequenceService();
        builder.Services.AddSingleton<ISequenceService>(grid);
        builder.Services.AddSingleton(new NodeHealth("a-node", "redis", TimeProvider.System));
        if (store is not null)
        {
            builder.Services.AddSingleton(store);
        }
        if (answers is not null)
        {
            builder.Services.AddSingleton(answers);
        }
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build();
        var options = GatewayNode.Program.Read([], configuration).Gateway;
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, options.Access));
        builder.Services.AddGridGateway(options);
        var app = builder.Build();
        app.MapGridGateway();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new GatewayApp(app, grid, logs);
    }

    /// <summary>The same, with a client that asks for event ids.</summary>
    public GatewayApp WithEventIds()
    {
        Client.DefaultRequestHeaders.Add(EventIds.Header, "true");
        return this;
    }

    /// <summary>What SIGTERM does; completed when it has stopped.</summary>
    public Task StopAsync()
    {
        _app.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        return _app.StopAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }

    /// <summary>Posts JSON and gives status and parsed body.</summary>
    public async Task<(int Status, JsonNode Body)> PostAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, JsonNode.Parse(text)!);
    }

    /// <summary>Posts JSON that must be answered with 200.</summary>
    public async Task<JsonNode> OkAsync(string path, string json)
    {
        var (status, body) = await PostAsync(path, json);
        Assert.True(status == 200, body.ToJsonString());
        return body;
    }

    /// <summary>Posts JSON and gives the events' payloads, the last of which must be [DONE], and only the last.</summary>
    public async Task<List<JsonNode>> EventsAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return ParseEvents(text);
    }

    public static List<JsonNode> ParseEvents(string text) =>
        [.. ReadEvents(text).SkipLast(1).Select(e => JsonNode.Parse(e.Data)!)];

    /// <summary>The events of a stream, the last of which must be [DONE], and only the last.</summary>
    internal static List<ServerSentEvent> ReadEvents(string text)
    {
        Assert.EndsWith("\n\n", text, StringComparison.Ordinal);
        var events = text[..^2].Split("\n\n").Select(ServerSentEvent.Read).ToList();
        Assert.Equal("[DONE]", events[^1].Data);
        Assert.Single(events, e => e.Data == "[DONE]");
        return events;
    }

    public Task<HttpResponseMessage> SendAsync(string path, string json) =>
        SendAsync(path, Encoding.UTF8.GetBytes(json));

    public Task<HttpResponseMessage> SendAsync(string path, byte[] body, string contentType = "application/json")
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return Client.PostAsync(path, content, TestContext.Current.CancellationToken);
    }
}
