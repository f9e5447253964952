using System.Text;
using Grid.Tests.Streams;

namespace Grid.Gateway.Tests.Fakes;

/// <summary>A stream that is read event by event, as it comes.</summary>
internal sealed class LiveStream(GatewayApp app, string path, string? json) : IDisposable
{
    private HttpResponseMessage? _response;
    private StreamReader? _reader;

    /// <summary>The next event of a kind.</summary>
    public async Task<ServerSentEvent> NextAsync(Func<ServerSentEvent, bool> isIt)
    {
        var token = TestContext.Current.CancellationToken;
        if (_reader is null)
        {
            using var request = new HttpRequestMessage(json is null ? HttpMethod.Get : HttpMethod.Post, path);
            request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
            _response = await app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token);
            Assert.True(_response.IsSuccessStatusCode, $"{_response.StatusCode}");
            _reader = new StreamReader(await _response.Content.ReadAsStreamAsync(token));
        }
        while (true)
        {
            var lines = new List<string>();
            while (await _reader.ReadLineAsync(token) is { Length: > 0 } line)
            {
                lines.Add(line);
            }
            Assert.NotEmpty(lines); // Otherwise it has ended.
            var e = ServerSentEvent.Read(string.Join('\n', lines));
            if (isIt(e))
            {
                return e;
            }
        }
    }

    public void Dispose()
    {
        _reader?.Dispose();
        _response?.Dispose();
    }
}
