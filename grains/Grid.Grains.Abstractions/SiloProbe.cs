using System.Net.Sockets;

namespace Grid.Grains;

/// <summary>Looks whether the process of a silo that says nothing is still there.</summary>
public interface ISiloProbe
{
    /// <summary>True when nothing listens at the silo's address: its process has ended. False when something does, or when it
    /// cannot be told. Throws nothing.</summary>
    Task<bool> IsGoneAsync(SiloAddress silo);
}

/// <summary>
/// Asks the silo's machine for a connection. It is refused at once where the process has ended; a process that hangs, or is only
/// busy, still has its connections taken by its kernel, and a machine that is gone says nothing at all. So only the refusal counts.
/// Orleans would tell as much, but not before it has given the silo up.
/// </summary>
public sealed class TcpSiloProbe : ISiloProbe
{
    /// <summary>After this long the silence itself tells.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);

    /// <inheritdoc/>
    public async Task<bool> IsGoneAsync(SiloAddress silo)
    {
        using var patience = new CancellationTokenSource(s_patience);
        try
        {
            using var socket = new Socket(silo.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(silo.Endpoint, patience.Token);
            return false;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
