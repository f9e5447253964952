using System.Net;
using System.Net.Sockets;

namespace Grid.Grains.Tests;

public sealed class SiloProbeTests
{
    [Fact]
    public async Task A_process_that_has_ended_refuses_to_be_connected_to_and_one_that_hangs_does_not()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var silo = SiloAddress.New((IPEndPoint)listener.LocalEndpoint, 1);
        var probe = new TcpSiloProbe();
        Assert.False(await probe.IsGoneAsync(silo)); // Nobody accepts: the kernel does.
        listener.Stop();
        Assert.True(await probe.IsGoneAsync(silo));
    }
}
