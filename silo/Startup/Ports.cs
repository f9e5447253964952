using System.Net;
using System.Net.Sockets;
using Grid.Options;

namespace Grid.Silo.Startup;

/// <summary>Finds out before the model is loaded whether the HTTP port can be had.</summary>
internal static class Ports
{
    /// <summary>Checks an HTTP port. Throws <see cref="StartException"/> naming it.</summary>
    public static void CheckHttp(string option, IPAddress host, int port)
    {
        if (port != 0 && TryBind(host, port) is { } error)
        {
            throw new StartException(error == SocketError.AddressAlreadyInUse
                ? $"{option} is {port}, which another program on this machine uses already; stop it or choose another port, e.g. {option} {port + 1}."
                : $"HTTP cannot listen on {host}:{port}: {new SocketException((int)error).Message}.");
        }
    }

    private static SocketError? TryBind(IPAddress address, int port)
    {
        try
        {
            using var listener = new TcpListener(address, port);
            listener.Start();
            return null;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }
}
