using System.Net;
using System.Net.Sockets;
using System.Text;
using Grid.Gateway.Tests.Fakes;
using Grid.Grains.Messages;
using Grid.Silo;
using Grid.Silo.Options;

namespace Grid.Gateway.Tests.EndToEnd;

/// <summary>Clients of a node with few places, of which one asks for far more than there are. Orders are asserted, no times.</summary>
public sealed class FairnessTests : IAsyncLifetime
{
    private const string Short = "{\"prompt\":\"Hello\",\"max_tokens\":8,\"ignore_eos\":true,\"user\":\"late\"}";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly HttpClient _many = From("127.0.0.1");
    private readonly HttpClient _other = From("127.0.0.2");
    private GridNode _node = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _node = await GridNode.StartAsync(new NodeOptions { Port = 0, KvCacheMemory = 256L << 20, MaxRunningRequests = 4 }, TextWriter.Null, Token);
        _many.BaseAddress = _other.BaseAddress = _node.Address;
    }

    public async ValueTask DisposeAsync()
    {
        _many.Dispose();
        _other.Dispose();
        await _node.DisposeAsync();
    }

    /// <summary>One has another address; the other is another user at the same one.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_request_for_a_thousand_long_answers_does_not_keep_another_client_or_user_from_having_one(bool isOtherAddress)
    {
        using var stop = new CancellationTokenSource();
        var many = PostAsync(
            _many, "{\"prompt\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"],\"n\":128,\"max_tokens\":1000,\"ignore_eos\":true,\"user\":\"many\"}", stop.Token);
        await UntilAsync(load => load.Running == 4);

        var client = isOtherAddress ? _other : _many;
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await PostAsync(client, Short, Token).WaitAsync(s_patience, Token));
        }

        Assert.False(many.IsCompleted);
        Assert.True(_node.Workers[0].Load.GeneratedTokens < 1000 * 1000, "The others were done.");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => many);
    }

    /// <summary>Four run, and the fifth of the same client waits at the worker.</summary>
    [Fact]
    public async Task A_request_that_waits_at_a_worker_ends_at_its_deadline_and_is_gone_from_there()
    {
        using var stop = new CancellationTokenSource();
        var running = PostAsync(_many, "{\"prompt\":\"Hello\",\"n\":4,\"max_tokens\":1900,\"ignore_eos\":true}", stop.Token);
        await UntilAsync(load => load is { Running: 4, Waiting: 0 });
        var waiting = PostAsync(_many, "{\"prompt\":\"Hello\",\"max_tokens\":8,\"timeout\":0.7}", Token);
        await UntilAsync(load => load.Waiting == 1);
        Assert.Equal(HttpStatusCode.GatewayTimeout, await waiting.WaitAsync(s_patience, Token));
        await UntilAsync(load => load.Waiting == 0);
        Assert.Equal((4, false), (_node.Workers[0].Load.Running, running.IsCompleted));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    private Task UntilAsync(Func<WorkerLoad, bool> isSo) => Until.HoldsAsync(() => isSo(_node.Workers[0].Load), "The worker's load never was so.");

    private static async Task<HttpStatusCode> PostAsync(HttpClient client, string json, CancellationToken cancellationToken)
    {
        using var response = await client.PostAsync("/v1/completions", new StringContent(json, Encoding.UTF8, "application/json"), cancellationToken);
        await response.Content.ReadAsStringAsync(cancellationToken);
        return response.StatusCode;
    }

    /// <summary>A client that calls from an address of its own.</summary>
    private static HttpClient From(string address) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
            await socket.ConnectAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };
}
