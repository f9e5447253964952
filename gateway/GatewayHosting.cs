using Grid.Gateway.Access;
using Grid.Gateway.Caching;
using Grid.Gateway.Endpoints;
using Grid.Gateway.Http;
using Grid.Gateway.Metrics;
using Grid.Gateway.Receipts;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Grains;
using Grid.Resumption;
using Grid.Sequences;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using Orleans.Serialization;

namespace Grid.Gateway;

/// <summary>Puts the HTTP face into an application: the gateway's own, or a silo's.</summary>
public static class GatewayHosting
{
    /// <summary>
    /// Adds the gateway's services, its error handling and Kestrel limits. The host provides
    /// <see cref="ISequenceService"/>, and <see cref="IRequestStore"/> where streams can be resumed.
    /// </summary>
    public static IServiceCollection AddGridGateway(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton(Microsoft.Extensions.Options.Options.Create(options));
        services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // RequestBody has the limit. With one of its own the server would cut off who sends too much, and not answer.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
        });
        services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = endpoint =>
        {
            // Of what a client does not read, the system holds so much; then the gateway notices.
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            socket.SendBufferSize = 128 * 1024;
            return socket;
        });
        services.AddSingleton(Microsoft.Extensions.Options.Options.Create(new DrainOptions { Grace = options.DrainGrace ?? GatewayOptions.DefaultDrainGrace }));
        services.AddRouting();
        if (options.CorsOrigins is { } origins)
        {
            services.AddCors(cors => cors.AddDefaultPolicy(policy => policy
                .WithOrigins(origins.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                .AllowAnyHeader().AllowAnyMethod().WithExposedHeaders(["X-Request-Id", EventStream.IdHeader, "Retry-After", .. RateLimitHeaders.Names])));
        }
        if (options.TrustedProxies is { } proxies)
        {
            services.Configure<ForwardedHeadersOptions>(forwarded =>
            {
                forwarded.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto;
                forwarded.ForwardLimit = null; // From the nearest on, as far as they are trusted.
                forwarded.KnownProxies.Clear();
                forwarded.KnownIPNetworks.Clear();
                foreach (var network in proxies)
                {
                    forwarded.KnownIPNetworks.Add(network);
                }
            });
        }
        services.AddGridAccess(options);
        services.AddGridDrain();
        services.AddTransient<IStartupFilter, ErrorStartupFilter>();
        services.AddMetrics();
        services.AddSingleton<PrometheusExport>();
        services.AddHostedService(provider => provider.GetRequiredService<PrometheusExport>());
        services.AddSingleton<RequestMetrics>();
        services.AddSingleton<ActiveRequests>();
        services.AddSingleton<RequestKeeper>();
        services.AddHostedService(provider => provider.GetRequiredService<RequestKeeper>());
        services.AddSerializer();
        if (options.AnswerCache == AnswerCacheKind.Memory)
        {
            services.AddSingleton<IAnswerStore>(_ => new MemoryAnswerStore(options.AnswerCacheRetention, options.AnswerCacheSize));
        }
        services.AddSingleton<RememberedAnswers>();
        services.AddSingleton<AnswerCacheMetrics>();
        services.AddSingleton<AnswerAudit>();
        services.AddHostedService(provider => provider.GetRequiredService<AnswerAudit>());
        services.AddSingleton<AnswerCache>();
        services.AddSingleton<AnswerRunner>();
        services.AddSingleton<BodyBudget>();
        services.AddSingleton<InferenceEndpoints>();
        services.AddSingleton<TextEndpoints>();
        services.AddSingleton<ControlEndpoints>();
        services.AddSingleton<SequenceEndpoints>();
        services.AddSingleton<ReceiptSigner>();
        services.AddSingleton<ReceiptVerifier>();
        services.AddSingleton<ReceiptMetrics>();
        services.AddSingleton<ReceiptEndpoints>();
        return services;
    }

    /// <summary>Maps the endpoints of the HTTP surface. One that is mapped without a policy is an operation.</summary>
    public static IEndpointRouteBuilder MapGridGateway(this IEndpointRouteBuilder endpoints)
    {
        var open = endpoints.MapGroup("").AllowAnonymous();
        open.MapShown("/livez", OperationEndpoints.LiveAsync);
        open.MapShown("/readyz", OperationEndpoints.ReadyAsync);
        open.MapShown("/health", OperationEndpoints.ReadyAsync);

        var grid = endpoints.MapGroup("");
        grid.OpenTheGrid(endpoints.ServiceProvider.GetRequiredService<ISequenceService>());
        var inference = grid.MapGroup("").RequireAuthorization(Scopes.Inference);
        var answers = endpoints.ServiceProvider.GetRequiredService<InferenceEndpoints>();
        inference.MapPost("/v1/chat/completions", answers.ChatAsync);
        inference.MapPost("/v1/completions", answers.CompleteAsync);
        inference.MapPost("/generate", answers.GenerateAsync);

        var sequences = endpoints.ServiceProvider.GetRequiredService<SequenceEndpoints>();
        inference.MapGet("/v1/sequences/{id}/events", sequences.EventsAsync);

        var receipts = endpoints.ServiceProvider.GetRequiredService<ReceiptEndpoints>();
        inference.MapShown("/v1/sequences/{id}/receipt", receipts.ShowAsync);
        inference.MapPost("/v1/sequences/{id}/replay", receipts.ReplayAsync);
        inference.MapPost("/v1/verify", receipts.VerifyAsync);

        inference.MapShown("/v1/models", ModelEndpoints.ListAsync);
        inference.MapShown("/v1/models/{**id}", ModelEndpoints.GetAsync);
        inference.MapShown("/get_model_info", ModelEndpoints.InfoAsync);
        inference.MapShown("/model_info", ModelEndpoints.InfoAsync);
        inference.MapShown("/version", ServerEndpoints.VersionAsync);

        var text = endpoints.ServiceProvider.GetRequiredService<TextEndpoints>();
        inference.MapPost("/tokenize", text.TokenizeAsync);
        inference.MapPost("/detokenize", text.DetokenizeAsync);
        inference.MapGet("/health_generate", OperationEndpoints.GenerateAsync);

        grid.MapShown("/get_server_info", ServerEndpoints.InfoAsync);
        grid.MapShown("/server_info", ServerEndpoints.InfoAsync);
        grid.MapShown("/v1/loads", ServerEndpoints.LoadsAsync);
        grid.MapPost("/flush_cache", OperationEndpoints.FlushAsync);
        var control = endpoints.ServiceProvider.GetRequiredService<ControlEndpoints>();
        grid.MapPost("/pause_generation", control.PauseAsync);
        grid.MapPost("/continue_generation", control.ContinueAsync);
        grid.MapPost("/abort_request", control.AbortAsync);
        grid.MapPost("/update_weights_from_disk", control.UpdateWeightsAsync);
        grid.MapShown("/get_weight_version", ControlEndpoints.WeightVersionAsync);
        grid.MapShown("/weight_version", ControlEndpoints.WeightVersionAsync);
        foreach (var (path, instead) in ControlEndpoints.Unsupported)
        {
            grid.MapPost(path, Task (HttpContext _) => throw ApiErrors.UnsupportedEndpoint(path, instead));
        }
        grid.MapShown("/v1/grid", GridEndpoints.ShowAsync);
        bool openMetrics = endpoints.ServiceProvider.GetRequiredService<IOptions<GatewayOptions>>().Value.Access.OpenMetrics;
        (openMetrics ? open : endpoints).MapShown("/metrics", (HttpContext context, PrometheusExport export) => export.WriteAsync(context));
        return endpoints;
    }

    /// <summary>What is asked there is asked of the whole grid; the others are asked every few seconds, whether anybody uses the node or
    /// not.</summary>
    private static void OpenTheGrid(this IEndpointConventionBuilder endpoints, ISequenceService service) => endpoints.Add(endpoint =>
    {
        var answer = endpoint.RequestDelegate!;
        endpoint.RequestDelegate = async context =>
        {
            await service.OpenAsync(context.RequestAborted);
            await answer(context);
        };
    });

    /// <summary>Maps what only shows something: HEAD asks for its headers.</summary>
    private static void MapShown(this IEndpointRouteBuilder endpoints, string path, Delegate show) =>
        endpoints.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], show);
}
