using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grid.Client;
using Grid.Cluster.Tests.Support;
using Grid.Clustering;
using Grid.Options;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Cluster.Tests;

/// <summary>Nodes with certificates of one authority are a cluster, and let in nobody who has none of it.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("grid-tls-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Nodes_and_clients_of_one_authority_find_each_other_and_others_are_refused()
    {
        using var authority = CreateAuthority("own");
        using var foreign = CreateAuthority("foreign");
        using var certificate = Sign(authority, "own");
        using var stranger = Sign(foreign, "foreign");
        var (siloPort, clientPort) = (Programs.FreePort(), Programs.FreePort());
        var environment = new Dictionary<string, string> { ["Grid__ClusterId"] = "grid" };
        await using var silo = NodeProcess.Silo(environment, ["--cpu-threads", "1", "--silo-port", $"{siloPort}", "--gateway-port", $"{clientPort}", .. Options("own", "own")]);
        silo.Cluster = () => [];
        string[] primary = ["--primary", $"127.0.0.1:{siloPort}"];
        await using var gateway = NodeProcess.Gateway(environment, [.. primary, .. Options("own", "own")]);
        gateway.Cluster = () => [silo];
        await gateway.SeesLiveAsync(1);
        using var answer = await gateway.Client.PostAsync("/v1/completions", new StringContent("{\"prompt\":\"The dog\",\"max_tokens\":3}", System.Text.Encoding.UTF8, "application/json"));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());

        // A certificate of another authority; and one that trusts ours, but is not of it.
        await using var one = NodeProcess.Gateway(environment, [.. primary, .. Options("foreign", "foreign")]);
        await using var other = NodeProcess.Gateway(environment, [.. primary, .. Options("foreign", "own")]);
        foreach (var refused in new[] { one, other })
        {
            refused.Cluster = () => [silo];
            Assert.True(await refused.EndsWithinAsync(Programs.Patience), refused.Output);
            Assert.Equal(1, await refused.EndsAsync());
            Assert.Contains("do not take each other's certificate", refused.Output, StringComparison.Ordinal);
        }

        using (var host = await ConnectAsync(clientPort, certificate, authority, CancellationToken.None))
        {
            Assert.Single(await host.Services.GetRequiredService<GridClient>().GetModelsAsync());
        }

        // It may try for ever.
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<Exception>(() => ConnectAsync(clientPort, stranger, authority, enough.Token));
        Assert.Equal(["live"], await gateway.StatesAsync());
    }

    [Theory]
    [InlineData("--cluster-tls-cert is given without --cluster-tls-key and --cluster-tls-ca; TLS between nodes needs all three.", true, false, false)]
    [InlineData("--cluster-tls-cert and --cluster-tls-key is given without --cluster-tls-ca; TLS between nodes needs all three.", true, true, false)]
    [InlineData("--cluster-tls-ca is given without --cluster-tls-cert and --cluster-tls-key; TLS between nodes needs all three.", false, false, true)]
    public async Task What_is_only_half_there_is_refused(string sentence, bool certificate, bool key, bool authority)
    {
        using var own = CreateAuthority("own");
        Sign(own, "own").Dispose();
        var options = new ClusterNodeOptions
        {
            ClusterTlsCert = certificate ? PathOf("own.crt") : null,
            ClusterTlsKey = key ? PathOf("own.key") : null,
            ClusterTlsCa = authority ? PathOf("own-ca.crt") : null,
        };
        var refused = await Assert.ThrowsAsync<StartException>(() => ClusterNode.PrepareAsync(options, "test", null, TextWriter.Null, CancellationToken.None));
        Assert.Equal((sentence, StartException.Usage), (refused.Message, refused.ExitCode));
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);

    private string[] Options(string certificate, string authority) =>
        ["--cluster-tls-cert", PathOf($"{certificate}.crt"), "--cluster-tls-key", PathOf($"{certificate}.key"), "--cluster-tls-ca", PathOf($"{authority}-ca.crt")];

    private X509Certificate2 CreateAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name} authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        var authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(PathOf($"{name}-ca.crt"), authority.ExportCertificatePem());
        return authority;
    }

    private X509Certificate2 Sign(X509Certificate2 authority, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var signed = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256)
            .Create(authority, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(PathOf($"{name}.crt"), signed.ExportCertificatePem());
        File.WriteAllText(PathOf($"{name}.key"), key.ExportPkcs8PrivateKeyPem());
        return signed.CopyWithPrivateKey(key);
    }

    private static async Task<IHost> ConnectAsync(int port, X509Certificate2 certificate, X509Certificate2 authority, CancellationToken cancellationToken)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(client => client.UseGridAt(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, port)).UseClusterTls(certificate, [authority]));
        var host = builder.Build();
        await host.StartAsync(cancellationToken).WaitAsync(cancellationToken);
        return host;
    }
}
