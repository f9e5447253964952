using System.Net;
using System.Net.Sockets;

namespace Grid.Silo.Startup;

/// <summary>Finds out before the model is loaded whether the ports can be had.</summary>
internal static class Ports
{
    /// <summary>Checks the HTTP port. Throws <see cref="StartException"/> naming it.</summary>
    public static void CheckHttp(string host, int port)
    {
        if (port != 0 && TryBind(IPAddress.Parse(host), port) is { } error)
        {
            throw new StartException(error == SocketError.AddressAlreadyInUse
                ? $"--port is {port}, which another program on this machine uses already; stop it or choose another port, e.g. --port {port + 1}."
                : $"HTTP cannot listen on {host}:{port}: {new SocketException((int)error).Message}.");
        }
    }

    /// <summary>The port asked for, or a free one. Throws <see cref="StartException"/>.</summary>
    public static int Choose(string option, int? asked)
    {
        if (asked is not { } port)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            return ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        return TryBind(IPAddress.Loopback, port) is null
            ? port
            : throw new StartException($"{option} is {port}, which another program on this machine uses already; leave the option out and a free port is taken.");
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
