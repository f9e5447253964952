using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Grid.Options;

/// <summary>Certificates in PEM files.</summary>
public static class CertificateFiles
{
    /// <summary>A certificate with its key, and with those between it and its authority, which follow it in its file. Throws
    /// <see cref="StartException"/> where they cannot be used.</summary>
    public static ReloadedFiles<SslStreamCertificateContext> ReadOwn(OptionFile certificate, OptionFile key) => new([certificate, key], contents =>
    {
        string chain = Encoding.ASCII.GetString(contents[0]);
        X509Certificate2 own;
        try
        {
            own = X509Certificate2.CreateFromPem(chain, Encoding.ASCII.GetString(contents[1]));
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            throw certificate.Wrong($"and {key.Option} is '{key.Path}'; they must be a certificate and its private key, in PEM form and without a password.");
        }

        var others = ReadAll(certificate, contents[0]);
        others.RemoveAt(0);
        return SslStreamCertificateContext.Create(own, others, offline: true);
    });

    /// <summary>The certificates of authorities. Throws <see cref="StartException"/> where there is none.</summary>
    public static ReloadedFiles<X509Certificate2Collection> ReadAuthorities(OptionFile file) => new([file], contents => ReadAll(file, contents[0]));

    private static X509Certificate2Collection ReadAll(OptionFile file, byte[] content)
    {
        var all = new X509Certificate2Collection();
        try
        {
            all.ImportFromPem(Encoding.ASCII.GetString(content));
        }
        catch (CryptographicException)
        {
            all.Clear();
        }

        return all.Count > 0 ? all : throw file.Wrong("which must hold certificates in PEM form.");
    }
}
