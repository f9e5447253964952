using System.Net;
using System.Text.RegularExpressions;

namespace Grid.Models.Hub;

/// <summary>What a refusal means and what to do about it, in one sentence.</summary>
internal static partial class HubErrors
{
    private const int MaxMessageLength = 200;

    /// <summary>Throws for an answer that is not a success: <see cref="HubTransientException"/> when another attempt may
    /// succeed, <see cref="HubException"/> when not.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="atHub">Whether the hub itself gave it, not storage behind it.</param>
    /// <param name="model">What was asked for.</param>
    /// <param name="what">The file, or the revision, for messages.</param>
    /// <param name="settings">The hub and the token's source.</param>
    public static void ThrowIfRefused(HttpResponseMessage response, bool atHub, HubModelName model, string what, HubSettings settings)
    {
        int status = (int)response.StatusCode;
        if (status is >= 200 and < 300 || (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && response.RequestMessage?.Headers.Range is not null))
        {
            return;
        }

        string host = response.RequestMessage!.RequestUri!.Host;
        if (status is 408 or 429 or 500 or 502 or 503 or 504)
        {
            string reason = status == 429 ? $"{host} asks for fewer requests (429)" : $"{host} is out of order ({status})";
            throw new HubTransientException(reason, RetryAfter(response));
        }

        throw new HubException(atHub
            ? Explain(response, model, what, settings)
            : $"{what}: {host}, where the hub sends for it, refuses with {status} {response.ReasonPhrase}; try again, and if it stays so ask the hub's operator.");
    }

    private static string Explain(HttpResponseMessage response, HubModelName model, string what, HubSettings settings)
    {
        string host = settings.Endpoint.Authority;
        string page = $"{settings.Endpoint}{model.Repository}";
        string? message = Message(response);
        string code = response.Headers.TryGetValues("X-Error-Code", out var codes) ? codes.First() : "";
        string token = settings.TokenSource is { } source ? $"the token from {source}" : "no token";
        switch (code, response.StatusCode)
        {
            case ("GatedRepo", _):
                return settings.Token is null
                    ? $"{model.Repository} is gated: accept its conditions at {page}, then set HF_TOKEN to a token of that account."
                    : $"{model.Repository} is gated, and {token} has no access to it: accept its conditions at {page} with the token's account, or set HF_TOKEN to another's.";
            case ("RevisionNotFound", _):
                return $"{model.Repository} has no revision '{model.Revision}'; name a branch, tag or commit that {page} has.";
            case ("EntryNotFound", _):
                return $"{what}: {model.Repository} does not hold it at this commit; try again, and if it stays so choose another revision.";
            case (_, HttpStatusCode.Unauthorized) when settings.Token is not null && code != "RepoNotFound":
                return $"{host} refuses {token}; make a new one at {settings.Endpoint}settings/tokens and set HF_TOKEN to it, or unset it for public models.";
            case ("RepoNotFound", _) or (_, HttpStatusCode.Unauthorized or HttpStatusCode.NotFound):
                return $"{model.Repository} does not exist on {host}, or is private and {(settings.Token is null ? "no token is set" : $"{token} does not open it")}; check the name, or set HF_TOKEN to a token that may read it.";
            case (_, HttpStatusCode.Forbidden):
                return $"{host} forbids {model.Repository} with {token}{(message is null ? "" : $" ({message})")}; set HF_TOKEN to a token that may read it.";
            default:
                return $"{what}: {host} answers {(int)response.StatusCode} {response.ReasonPhrase}{(message is null ? "" : $" ({message})")}; check HF_ENDPOINT and the proxy.";
        }
    }

    // The server's words, cut and cleaned: they go to a terminal.
    private static string? Message(HttpResponseMessage response)
    {
        string? text = response.Headers.TryGetValues("X-Error-Message", out var values) ? values.First() : null;
        text = text is null ? null : new string([.. text.Where(c => !char.IsControl(c)).Take(MaxMessageLength)]).TrimEnd('.', ' ');
        return string.IsNullOrEmpty(text) ? null : text;
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        if (response.Headers.TryGetValues("RateLimit", out var limits)
            && RateLimit().Match(limits.First()) is { Success: true } match
            && int.TryParse(match.Groups["seconds"].ValueSpan, out int reset))
        {
            return TimeSpan.FromSeconds(reset + 1);
        }

        return response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } when response.Headers.Date is { } now && date > now => date - now,
            _ => null,
        };
    }

    // "api";r=0;t=55: none remain, 55 s until there are more.
    [GeneratedRegex("\"\\w+\"\\s*;\\s*r\\s*=\\s*0\\s*;\\s*t\\s*=\\s*(?<seconds>[0-9]{1,8})", RegexOptions.CultureInvariant)]
    private static partial Regex RateLimit();
}
