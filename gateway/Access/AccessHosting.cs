using System.Net;
using System.Net.Security;
using Grid.Options;
using Grid.Sequences;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Access;

/// <summary>Puts ASP.NET's own authentication and authorization, with API keys, and TLS before the endpoints.</summary>
internal static partial class AccessHosting
{
    /// <summary>Adds keys and policies.</summary>
    public static void AddGridAccess(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton(provider => new ApiKeys(options.Access, provider.GetRequiredService<IOptions<SequencesOptions>>().Value)
        {
            Kept = fault => LogKept(provider.GetRequiredService<ILogger<ApiKeys>>(), fault.Message),
        });
        services.AddSingleton<IClientQuotas>(provider => provider.GetRequiredService<ApiKeys>());
        services.AddAuthenticationCore(authentication =>
        {
            authentication.AddScheme<ApiKeyHandler>(ApiKeyHandler.Scheme, null);
            authentication.DefaultScheme = ApiKeyHandler.Scheme;
        });
        services.AddTransient<ApiKeyHandler>();
        var operate = new AuthorizationPolicyBuilder().RequireAssertion(access => access.Resource is not HttpContext context
            // What there is no endpoint for is said to everybody.
            || context.GetEndpoint() is not RouteEndpoint
            || (access.User.HasClaim(Scopes.Claim, Scopes.Operate) && OperatePort.Allows(context, options.Access))).Build();
        services.AddAuthorizationBuilder()
            .AddPolicy(Scopes.Inference, policy => policy.RequireClaim(Scopes.Claim, Scopes.Inference))
            .AddPolicy(Scopes.Operate, operate)
            .SetFallbackPolicy(operate);
    }

    /// <summary>Listens where the options say, with TLS where they have a certificate.</summary>
    public static void Listen(this KestrelServerOptions kestrel, IPAddress host, int port, AccessOptions options)
    {
        var certificate = ReadCertificate(options);
        certificate?.Kept = fault => LogKept(kestrel.ApplicationServices.GetRequiredService<ILogger<ApiKeys>>(), fault.Message);
        kestrel.Listen(host, port, Secure);
        if (options.OperatePort is { } operate)
        {
            kestrel.Listen(host, operate, listen =>
            {
                OperatePort.Mark(listen);
                Secure(listen);
            });
        }

        void Secure(ListenOptions listen)
        {
            if (certificate is not null)
            {
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = certificate.Current }),
                });
            }
        }
    }

    /// <summary>Says so where other machines may ask, and nobody needs a key.</summary>
    public static void WarnWhereAnybodyMayAsk(this IServiceProvider services, Uri address)
    {
        if (!address.IsLoopback && services.GetRequiredService<ApiKeys>().OpenScopes.Contains(Scopes.Operate))
        {
            LogOpen(services.GetRequiredService<ILogger<ApiKeys>>(), address);
        }
    }

    /// <summary>Looks at the files that the options name, before anything takes its time. Throws <see cref="StartException"/>.</summary>
    public static void Check(AccessOptions options, SequencesOptions sequences)
    {
        _ = new ApiKeys(options, sequences);
        _ = ReadCertificate(options);
    }

    private static ReloadedFiles<SslStreamCertificateContext>? ReadCertificate(AccessOptions options) => (options.SslCertfile, options.SslKeyfile) switch
    {
        (null, null) => null,
        ({ } certificate, { } key) => CertificateFiles.ReadOwn(new("--ssl-certfile", certificate), new("--ssl-keyfile", key)),
        var (certificate, _) => throw new StartException(
            $"{(certificate is null ? "--ssl-keyfile" : "--ssl-certfile")} is given without {(certificate is null ? "--ssl-certfile" : "--ssl-keyfile")}; HTTPS needs both.", StartException.Usage),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "A file has changed and cannot be used, what it said before still holds: {Fault}")]
    private static partial void LogKept(ILogger logger, string fault);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Whoever reaches {Address} may use and operate this grid: no keys are set (--api-key-file)")]
    private static partial void LogOpen(ILogger logger, Uri address);
}
