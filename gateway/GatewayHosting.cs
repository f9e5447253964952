using Grid.Gateway.Endpoints;
using Grid.Gateway.Http;
using Grid.Gateway.Metrics;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Grains;
using Grid.Sequences;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Grid.Gateway;

/// <summary>Puts the HTTP face into an application: the gateway's own, or a silo's.</summary>
public static class GatewayHosting
{
    /// <summary>
    /// Adds the gateway's services, its error handling and Kestrel limits. The host provides
    /// <see cref="ISequenceService"/>, and <see cref="Resumption.IRequestStore"/> where streams can be resumed.
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
                .AllowAnyHeader().AllowAnyMethod().WithExposedHeaders("X-Request-Id", "X-Sequence-Id", "Retry-After")));
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
        services.AddGridDrain();
        services.AddTransient<IStartupFilter, ErrorStartupFilter>();
        services.AddMetrics();
        services.AddSingleton<PrometheusExport>();
        services.AddHostedService(provider => provider.GetRequiredService<PrometheusExport>());
        services.AddSingleton<RequestMetrics>();
        services.AddSingleton<ActiveRequests>();
        services.AddSingleton<RequestKeeper>();
        services.AddHostedService(provider => provider.GetRequiredService<RequestKeeper>());
        services.AddSingleton<AnswerRunner>();
        services.AddSingleton<BodyBudget>();
        services.AddSingleton<InferenceEndpoints>();
        services.AddSingleton<TextEndpoints>();
        services.AddSingleton<ControlEndpoints>();
        services.AddSingleton<SequenceEndpoints>();
        return services;
    }

    /// <summary>Maps the endpoints of the HTTP surface.</summary>
    public static IEndpointRouteBuilder MapGridGateway(this IEndpointRouteBuilder endpoints)
    {
        var inference = endpoints.ServiceProvider.GetRequiredService<InferenceEndpoints>();
        endpoints.MapPost("/v1/chat/completions", inference.ChatAsync);
        endpoints.MapPost("/v1/completions", inference.CompleteAsync);
        endpoints.MapPost("/generate", inference.GenerateAsync);

        var sequences = endpoints.ServiceProvider.GetRequiredService<SequenceEndpoints>();
        endpoints.MapGet("/v1/sequences/{id}/events", sequences.EventsAsync);

        endpoints.MapShown("/v1/models", ModelEndpoints.ListAsync);
        endpoints.MapShown("/v1/models/{**id}", ModelEndpoints.GetAsync);
        endpoints.MapShown("/get_model_info", ModelEndpoints.InfoAsync);
        endpoints.MapShown("/model_info", ModelEndpoints.InfoAsync);
        endpoints.MapShown("/get_server_info", ServerEndpoints.InfoAsync);
        endpoints.MapShown("/server_info", ServerEndpoints.InfoAsync);
        endpoints.MapShown("/v1/loads", ServerEndpoints.LoadsAsync);
        endpoints.MapShown("/version", ServerEndpoints.VersionAsync);

        var text = endpoints.ServiceProvider.GetRequiredService<TextEndpoints>();
        endpoints.MapPost("/tokenize", text.TokenizeAsync);
        endpoints.MapPost("/detokenize", text.DetokenizeAsync);

        endpoints.MapShown("/livez", OperationEndpoints.LiveAsync);
        endpoints.MapShown("/readyz", OperationEndpoints.ReadyAsync);
        endpoints.MapShown("/health", OperationEndpoints.ReadyAsync);
        endpoints.MapGet("/health_generate", OperationEndpoints.GenerateAsync);
        endpoints.MapPost("/flush_cache", OperationEndpoints.FlushAsync);
        var control = endpoints.ServiceProvider.GetRequiredService<ControlEndpoints>();
        endpoints.MapPost("/pause_generation", control.PauseAsync);
        endpoints.MapPost("/continue_generation", control.ContinueAsync);
        endpoints.MapPost("/abort_request", control.AbortAsync);
        endpoints.MapShown("/v1/grid", GridEndpoints.ShowAsync);
        endpoints.MapShown("/metrics", (HttpContext context, PrometheusExport export) => export.WriteAsync(context));
        return endpoints;
    }

    /// <summary>Maps what only shows something: HEAD asks for its headers.</summary>
    private static void MapShown(this IEndpointRouteBuilder endpoints, string path, Delegate show) =>
        endpoints.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], show);
}
