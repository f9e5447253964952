using System.Net.Http.Headers;
using System.Security.Claims;
using Grid.Gateway.Http;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Access;

/// <summary>Finds out who asks by <c>Authorization: Bearer KEY</c>. Who has no key has the scopes that need none.</summary>
internal sealed class ApiKeyHandler(ApiKeys keys, IOptions<GatewayOptions> options) : IAuthenticationHandler
{
    /// <summary>The scheme's name.</summary>
    public const string Scheme = "ApiKey";

    private HttpContext _context = null!;

    /// <inheritdoc/>
    public Task InitializeAsync(AuthenticationScheme scheme, HttpContext context)
    {
        _context = context;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<AuthenticateResult> AuthenticateAsync()
    {
        var key = Presented is { } presented && keys.OpenScopes.Count < Scopes.All.Count ? keys.Find(presented) : null;
        var scopes = keys.OpenScopes.Union(key?.Scopes ?? []);
        var identity = new ClaimsIdentity(scopes.Select(scope => new Claim(Scopes.Claim, scope)), key is null ? null : Scheme);
        if (key?.Name is { } name)
        {
            identity.AddClaim(new Claim(ClaimTypes.Name, name));
        }
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme)));
    }

    /// <inheritdoc/>
    public Task ChallengeAsync(AuthenticationProperties? properties)
    {
        // At the wrong port no key would help.
        RequirePort();
        _context.Response.Headers.WWWAuthenticate = "Bearer";
        throw ApiErrors.Unauthorized(Presented is null);
    }

    /// <inheritdoc/>
    public Task ForbidAsync(AuthenticationProperties? properties)
    {
        if (_context.User.Identity is not { IsAuthenticated: true })
        {
            return ChallengeAsync(properties);
        }
        RequirePort();
        throw ApiErrors.OutOfScope(_context.User.HasClaim(Scopes.Claim, Scopes.Operate) ? Scopes.Inference : Scopes.Operate);
    }

    private string? Presented =>
        AuthenticationHeaderValue.TryParse(_context.Request.Headers.Authorization, out var given)
            && given is { Scheme: var scheme, Parameter: { } parameter } && scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase)
            ? parameter
            : null;

    private void RequirePort()
    {
        if (!OperatePort.Allows(_context, options.Value.Access) && OperatePort.IsOperation(_context))
        {
            throw ApiErrors.Forbidden("operate_port", "Operations are answered at a port of their own (--operate-port).");
        }
    }
}
