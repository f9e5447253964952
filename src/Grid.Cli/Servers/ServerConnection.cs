using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>JSON to and from a server. Only what was refused for want of room, before it was answered, is sent again.</summary>
internal sealed class ServerConnection : IDisposable
{
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client;
    private readonly TimeSpan _timeout;
    private int _sentAgain;

    public ServerConnection(Uri url, string? key, TimeSpan timeout)
    {
        Url = url.AbsolutePath.EndsWith('/') ? url : new Uri($"{url}/");
        _timeout = timeout;
        var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = !url.IsLoopback };
        _client = new HttpClient(handler) { BaseAddress = Url, Timeout = Timeout.InfiniteTimeSpan };
        if (key is not null)
        {
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
    }

    /// <summary>Where the server is.</summary>
    public Uri Url { get; }

    /// <summary>Requests that were sent again.</summary>
    public int SentAgain => _sentAgain;

    /// <summary>The client, for streams.</summary>
    public HttpClient Client => _client;

    /// <summary>Posts a body; without one, none. Gives what was answered, which for 200 is JSON unless it is empty. Throws <see cref="ServerException"/> for any
    /// other status.</summary>
    public Task<JsonNode?> PostAsync(string path, JsonNode? body, CancellationToken cancellationToken) => SendAsync(
        () => new HttpRequestMessage(HttpMethod.Post, path) { Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") },
        cancellationToken);

    /// <summary>Gets. Throws <see cref="ServerException"/> for any status but 200.</summary>
    public Task<JsonNode?> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>What an error says, in its API's form or any other.</summary>
    public static string ReasonOf(string body)
    {
        try
        {
            var json = JsonNode.Parse(body);
            string? said = json is JsonObject ? (json["error"] is JsonObject error ? error["message"] : json["error"] ?? json["message"] ?? json["detail"])?.ToString() : null;
            return said ?? body;
        }
        catch (JsonException)
        {
            return body;
        }
    }

    private async Task<JsonNode?> SendAsync(Func<HttpRequestMessage> make, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(_timeout);
        try
        {
            while (true)
            {
                using var request = make();
                using var response = await _client.SendAsync(request, deadline.Token);
                string body = await response.Content.ReadAsStringAsync(deadline.Token);
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    return Parse(request.RequestUri!, body);
                }

                if (response.StatusCode != HttpStatusCode.TooManyRequests)
                {
                    throw new ServerException($"{Where(request.RequestUri!)} answered {(int)response.StatusCode}: {ReasonOf(body).Trim()}", (int)response.StatusCode);
                }

                Interlocked.Increment(ref _sentAgain);
                await Task.Delay(WaitOf(response), deadline.Token);
            }
        }
        catch (HttpRequestException exception)
        {
            throw new ServerException($"{Url} cannot be reached: {exception.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ServerException($"{Url} did not answer within {_timeout.TotalSeconds} s; --timeout says how long it may take.");
        }
    }

    private static TimeSpan WaitOf(HttpResponseMessage response)
    {
        var wait = response.Headers.RetryAfter?.Delta ?? TimeSpan.FromSeconds(1);
        return wait < s_longestWait ? wait : s_longestWait;
    }

    private JsonNode? Parse(Uri path, string body)
    {
        if (string.IsNullOrWhiteSpace(body))
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(body);
        }
        catch (JsonException)
        {
            // /flush_cache of some servers answers with a sentence.
            return path.OriginalString.EndsWith("cache", StringComparison.Ordinal) ? null : throw new ServerException($"{Where(path)} did not answer in JSON.");
        }
    }

    private string Where(Uri path) => new Uri(Url, path).ToString();
}
