using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Connections.Security;

namespace Grid.Grains;

/// <summary>
/// Mutual TLS between the nodes of a cluster, and its clients: both sides of a connection show a certificate that an authority of the
/// cluster has signed. The authority signs for nobody else, so names are not looked at: nodes come and go, by address.
/// </summary>
/// <param name="own">This side's certificate with its key; asked for each connection.</param>
/// <param name="authorities">Whose certificates count.</param>
public sealed class ClusterTls(Func<X509Certificate2> own, Func<X509Certificate2Collection> authorities)
{
    /// <summary>How long the other side may take to refuse, after a handshake that went well here.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a handshake may take.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Gives it to Orleans, for all connections in and out.</summary>
    public void Configure(TlsOptions options)
    {
        options.LocalServerCertificateSelector = (_, _) => own();
        options.LocalClientCertificateSelector = (_, _, _, _, _) => own();
        options.RemoteCertificateMode = RemoteCertificateMode.RequireCertificate;
        options.RemoteCertificateValidation = (certificate, _, _) => IsMember(certificate);
        options.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
        options.CheckCertificateRevocation = false; // An authority of one's own has no list of what it took back.
    }

    /// <summary>Whether who listens at the other end lets this side in, and is let in. A node whose Orleans is refused would try again for
    /// ever.</summary>
    /// <param name="stream">A new connection.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The connection inside the encryption; null where it is refused.</returns>
    public async Task<Stream?> TryConnectAsync(Stream stream, CancellationToken cancellationToken)
    {
        var secured = new SslStream(stream, leaveInnerStreamOpen: false, (_, certificate, _, _) => certificate is X509Certificate2 other && IsMember(other));
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(s_patience);
            await secured.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = "", LocalCertificateSelectionCallback = (_, _, _, _, _) => own() }, patience.Token);
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await secured.DisposeAsync();
            return null;
        }

        return secured;
    }

    /// <summary>Whether the other side of a connection, which says nothing unasked, has not ended it: this side's certificate is looked at last.</summary>
    public static async Task<bool> StaysAsync(Stream secured, CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(s_silence);
        try
        {
            return await secured.ReadAsync(new byte[1], silence.Token) > 0;
        }
        catch (IOException)
        {
            return false;
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return true;
        }
    }

    private bool IsMember(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities());
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        try
        {
            return chain.Build(certificate);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
