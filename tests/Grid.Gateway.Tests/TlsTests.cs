using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grid.Gateway.Access;
using Grid.Gateway.Tests.Fakes;
using Grid.Options;
using Grid.Sequences;

namespace Grid.Gateway.Tests;

/// <summary>HTTPS: with a certificate from files, and with the next one when they change.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Https_is_served_with_the_files_certificate_and_with_the_next_one_once_it_is_there()
    {
        using var first = _folder.WriteCertificate("own");
        await using var app = await GatewayApp.StartAsync(
            ("Grid:SslCertfile", _folder.PathOf("own.crt")), ("Grid:SslKeyfile", _folder.PathOf("own.key")), ("Grid:OperatePort", "0"));
        Assert.All(app.Addresses, address => Assert.Equal("https", address.Scheme));
        Assert.Equal([first.Thumbprint, first.Thumbprint], [await SeenAsync(app.Addresses[0]), await SeenAsync(app.Addresses[1])]);
        using var plain = new HttpClient { BaseAddress = new UriBuilder(app.Addresses[0]) { Scheme = "http" }.Uri };
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => plain.GetAsync("/livez", Token));

        // A key alone does not fit.
        using var second = _folder.WriteCertificate("next");
        File.Move(_folder.PathOf("next.key"), _folder.PathOf("own.key"), overwrite: true);
        await Until.HoldsAsync(async () => await SeenAsync(app.Addresses[0]) == first.Thumbprint && app.Logs.Lines.Any(line => line.Contains("cannot be used", StringComparison.Ordinal)), "It was never told of.");
        File.Move(_folder.PathOf("next.crt"), _folder.PathOf("own.crt"), overwrite: true);
        await Until.HoldsAsync(async () => await SeenAsync(app.Addresses[0]) == second.Thumbprint, "It was never taken.");
    }

    [Fact]
    public void A_certificate_that_is_only_half_there_is_refused()
    {
        using var one = _folder.WriteCertificate("one");
        using var two = _folder.WriteCertificate("two");
        Assert.Equal("--ssl-keyfile is given without --ssl-certfile; HTTPS needs both.", Refused(null, "one.key"));
        Assert.Equal("--ssl-certfile is given without --ssl-keyfile; HTTPS needs both.", Refused("one.crt", null));
        Assert.Contains("which cannot be read", Refused("one.crt", "three.key"), StringComparison.Ordinal);
        Assert.Contains("they must be a certificate and its private key", Refused("one.crt", "two.key"), StringComparison.Ordinal);
        Assert.Contains("they must be a certificate and its private key", Refused("one.key", "one.key"), StringComparison.Ordinal);

        string Refused(string? certificate, string? key)
        {
            var access = new AccessOptions { SslCertfile = certificate is null ? null : _folder.PathOf(certificate), SslKeyfile = key is null ? null : _folder.PathOf(key) };
            var refused = Assert.Throws<StartException>(() => AccessHosting.Check(access, new SequencesOptions()));
            Assert.Equal(StartException.Usage, refused.ExitCode);
            return refused.Message;
        }
    }

    /// <summary>The certificate of a new connection, over which a request is answered by HTTP/2.</summary>
    private static async Task<string> SeenAsync(Uri address)
    {
        string seen = "";
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    seen = ((X509Certificate2)certificate!).Thumbprint;
                    return seen.Length > 0; // Whose it is, is the test's to say.
                },
            },
        };
        using var client = new HttpClient(handler) { BaseAddress = address, DefaultRequestVersion = HttpVersion.Version20 };
        using var answer = await client.GetAsync("/livez", Token);
        Assert.Equal((200, HttpVersion.Version20), ((int)answer.StatusCode, answer.Version));
        return seen;
    }
}
