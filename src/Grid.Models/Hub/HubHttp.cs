using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Grid.Models.Hub;

/// <summary>
/// Requests to the hub. Redirects are followed here, not by the handler, because of two rules: the token goes to the
/// hub's own address only, and what the hub says of a file is in the redirect's headers.
/// </summary>
internal sealed class HubHttp : IDisposable
{
    private const int MaxRedirects = 10;

    private readonly HubSettings _settings;
    private readonly HttpClient _client;

    public HubHttp(HubSettings settings)
    {
        _settings = settings;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = settings.StallTimeout,
        };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Where a file of a commit is asked for.</summary>
    public Uri FileAddress(string repository, string commit, string name) =>
        new(_settings.Endpoint, $"{repository}/resolve/{commit}/{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}");

    /// <summary>Where a revision's commit and files are asked for.</summary>
    public Uri RevisionAddress(HubModelName model) =>
        new(_settings.Endpoint, $"api/models/{model.Repository}/revision/{Uri.EscapeDataString(model.Revision)}?blobs=true");

    /// <summary>
    /// Sends a request, follows redirects and returns once headers are there. A HEAD request stays with the hub.
    /// Throws <see cref="HubTransientException"/> for what may pass, and what <see cref="HubErrors"/> says for what will
    /// not.
    /// </summary>
    public async Task<HubResponse> SendAsync(
        HttpMethod method, Uri address, HubModelName model, string what, StallWatch watch,
        RangeHeaderValue? range = null, RangeConditionHeaderValue? ifRange = null)
    {
        string? linkedETag = null;
        long? linkedSize = null;
        bool atHub = true;
        for (int redirects = 0; ; redirects++)
        {
            var response = await SendOnceAsync(method, address, atHub, watch, range, ifRange);
            try
            {
                if (atHub)
                {
                    linkedETag = Header(response, "X-Linked-Etag") ?? linkedETag;
                    linkedSize = long.TryParse(Header(response, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? size : linkedSize;
                }

                var target = RedirectTarget(response, address);
                bool stays = target is null || (atHub && IsHub(target));
                if (target is null || (method == HttpMethod.Head && !stays))
                {
                    if (target is null)
                    {
                        HubErrors.ThrowIfRefused(response, atHub, model, what, _settings);
                    }

                    bool own = atHub && target is null;
                    return new HubResponse(response)
                    {
                        ETag = Unquote(linkedETag ?? (own ? Header(response, "ETag") : null)),
                        IsLinked = linkedETag is not null,
                        Size = linkedSize ?? (own ? response.Content.Headers.ContentLength : null),
                    };
                }

                if (redirects == MaxRedirects)
                {
                    throw new HubException($"{what}: {address.Host} redirects more than {MaxRedirects} times; check HF_ENDPOINT and the proxy.");
                }

                // Once away, never trusted again, even if a stranger sends us back.
                atHub = stays;
                address = target;
                response.Dispose();
            }
            catch
            {
                response.Dispose();
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method, Uri address, bool atHub, StallWatch watch, RangeHeaderValue? range, RangeConditionHeaderValue? ifRange)
    {
        using var request = new HttpRequestMessage(method, address);
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("grid", "0.1"));
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        request.Headers.Range = range;
        request.Headers.IfRange = ifRange;
        if (atHub && _settings.Token is { } token)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        try
        {
            watch.Touch();
            return await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, watch.Token);
        }
        catch (Exception exception) when (watch.AsTransient(exception) is { } transient)
        {
            throw transient;
        }
        catch (HttpRequestException exception) when (!watch.Token.IsCancellationRequested)
        {
            throw new HubException($"{address.Host} cannot be reached safely ({exception.InnerException?.Message ?? exception.Message}); check HF_ENDPOINT, certificates and HTTPS_PROXY.", exception);
        }
    }

    private bool IsHub(Uri address) =>
        Uri.Compare(address, _settings.Endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private static Uri? RedirectTarget(HttpResponseMessage response, Uri address)
    {
        if (response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
            or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect))
        {
            return null;
        }

        var target = response.Headers.Location is { } location ? new Uri(address, location) : null;
        bool safe = target is not null && (target.Scheme == Uri.UriSchemeHttps || (target.Scheme == Uri.UriSchemeHttp && address.Scheme == Uri.UriSchemeHttp));
        return safe ? target : throw new HubException($"{address.Host} redirects to nowhere, or from https to something less safe; check HF_ENDPOINT and the proxy.");
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.First() : null;

    private static string? Unquote(string? etag)
    {
        string? text = etag is not null && etag.StartsWith("W/", StringComparison.Ordinal) ? etag[2..] : etag;
        return text?.Trim('"');
    }
}
