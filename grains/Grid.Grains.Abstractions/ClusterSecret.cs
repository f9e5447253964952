using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace Grid.Grains;

/// <summary>
/// What all nodes of a cluster know, and its clients, and nobody else. Each connection begins with a proof of it from both sides: the
/// side that was called sends a random challenge, the caller answers with one of its own and HMAC-SHA256 of both, and gets another
/// HMAC back. The secret itself never travels. It keeps strangers out; it does not encrypt, nor does it stop who can change what
/// others send: the network between nodes has to.
/// </summary>
public sealed class ClusterSecret
{
    /// <summary>Characters of a secret at least: what can be guessed protects nothing.</summary>
    public const int LeastLength = 16;

    private const int NonceBytes = 32;
    private const int ProofBytes = HMACSHA256.HashSizeInBytes;

    /// <summary>How long the other side may take.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>How long a silo that demands no secret is listened to before it is taken for one.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(500);

    private readonly byte[] _key;

    /// <param name="secret">At least <see cref="LeastLength"/> characters.</param>
    public ClusterSecret(string secret)
    {
        ArgumentNullException.ThrowIfNull(secret);
        ArgumentOutOfRangeException.ThrowIfLessThan(secret.Length, LeastLength, nameof(secret));
        _key = Encoding.UTF8.GetBytes(secret);
    }

    private static ReadOnlySpan<byte> Magic => "GRIDSEC1"u8;

    /// <summary>Lets only connections in that prove the secret; the others are aborted.</summary>
    /// <param name="connections">Those that this side is called with.</param>
    /// <param name="refused">Told from where a call came that did not prove it.</param>
    public void Demand(IConnectionBuilder connections, Action<EndPoint?> refused) => connections.Use(next => async connection =>
    {
        bool? proven = await WithPatienceAsync(connection, AcceptAsync);
        if (proven == true)
        {
            await next(connection);
            return;
        }

        if (proven == false)
        {
            refused(connection.RemoteEndPoint);
        }

        connection.Abort();
    });

    /// <summary>Proves the secret where this side calls, and goes on only where the other side proves it, too. A call that is refused ends with
    /// <see cref="ConnectionAbortedException"/>.</summary>
    public void Prove(IConnectionBuilder connections) => connections.Use(next => async connection =>
    {
        if (await WithPatienceAsync(connection, CallAsync) != true)
        {
            connection.Abort();
            throw new ConnectionAbortedException($"{connection.RemoteEndPoint} and this side do not have the same cluster secret.");
        }

        await next(connection);
    });

    /// <summary>Whether who listens at the other end lets a node in with this secret, or with none. A node whose Orleans is refused would
    /// try again for ever.</summary>
    /// <param name="secret">This side's; null for none.</param>
    /// <param name="stream">A new connection.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<bool> IsAcceptedAsync(ClusterSecret? secret, Stream stream, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(secret is null ? s_silence : s_patience);
        try
        {
            var reader = PipeReader.Create(stream);
            return secret is null
                ? await ReadAsync(reader, Magic.Length, patience.Token) is not { } greeting || !greeting.AsSpan().SequenceEqual(Magic)
                : await secret.CallAsync(new Pipes(reader, PipeWriter.Create(stream)), patience.Token) == true;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return secret is null;
        }
    }

    /// <summary>The called side's part: whether the caller knows the secret; null where it left without saying anything.</summary>
    private async Task<bool?> AcceptAsync(IDuplexPipe pipe, CancellationToken patience)
    {
        byte[] challenge = RandomNumberGenerator.GetBytes(NonceBytes);
        await pipe.Output.WriteAsync((byte[])[.. Magic, .. challenge], patience);
        if (await ReadAsync(pipe.Input, NonceBytes + ProofBytes, patience) is not { } answer)
        {
            return null;
        }

        byte[] nonce = answer[..NonceBytes];
        if (!CryptographicOperations.FixedTimeEquals(answer.AsSpan(NonceBytes), Proof("caller"u8, challenge, nonce)))
        {
            return false;
        }

        await pipe.Output.WriteAsync(Proof("called"u8, challenge, nonce), patience);
        return true;
    }

    /// <summary>The calling side's part.</summary>
    private async Task<bool?> CallAsync(IDuplexPipe pipe, CancellationToken patience)
    {
        if (await ReadAsync(pipe.Input, Magic.Length + NonceBytes, patience) is not { } greeting || !greeting.AsSpan().StartsWith(Magic))
        {
            return false;
        }

        byte[] challenge = greeting[Magic.Length..];
        byte[] nonce = RandomNumberGenerator.GetBytes(NonceBytes);
        await pipe.Output.WriteAsync((byte[])[.. nonce, .. Proof("caller"u8, challenge, nonce)], patience);
        return await ReadAsync(pipe.Input, ProofBytes, patience) is { } proof
            && CryptographicOperations.FixedTimeEquals(proof, Proof("called"u8, challenge, nonce));
    }

    private byte[] Proof(ReadOnlySpan<byte> side, byte[] challenge, byte[] nonce) => HMACSHA256.HashData(_key, (byte[])[.. Magic, .. side, .. challenge, .. nonce]);

    private static async Task<bool?> WithPatienceAsync(ConnectionContext connection, Func<IDuplexPipe, CancellationToken, Task<bool?>> handshake)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        patience.CancelAfter(s_patience);
        try
        {
            return await handshake(connection.Transport, patience.Token);
        }
        catch (OperationCanceledException) when (!connection.ConnectionClosed.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ConnectionAbortedException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The next bytes; null where the other side ends before.</summary>
    private static async Task<byte[]?> ReadAsync(PipeReader reader, int count, CancellationToken patience)
    {
        while (true)
        {
            var read = await reader.ReadAsync(patience);
            if (read.Buffer.Length >= count)
            {
                var bytes = read.Buffer.Slice(0, count);
                byte[] result = bytes.ToArray();
                reader.AdvanceTo(bytes.End);
                return result;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted || read.IsCanceled)
            {
                return null;
            }
        }
    }

    private sealed record Pipes(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
