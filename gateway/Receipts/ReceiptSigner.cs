using System.Security.Cryptography;
using System.Text;
using Grid.Options;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Receipts;

/// <summary>Signs receipts with the key of <c>--receipt-key</c>; without one they are not signed.</summary>
internal sealed class ReceiptSigner : IDisposable
{
    private readonly ECDsa? _key;
    private readonly byte[] _publicKey = [];
    private readonly Lock _signing = new();

    /// <summary>Reads the key. Throws <see cref="StartException"/>.</summary>
    public ReceiptSigner(IOptions<GatewayOptions> options)
    {
        _key = Read(options.Value);
        _publicKey = _key?.ExportSubjectPublicKeyInfo() ?? [];
    }

    /// <summary>Looks at the file before anything takes its time. Throws <see cref="StartException"/>.</summary>
    public static void Check(GatewayOptions options) => Read(options)?.Dispose();

    /// <summary>Whether a key is one of the curve that receipts are signed over.</summary>
    public static bool IsUsable(ECDsa key) => key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value;

    /// <summary>The receipt, signed where there is a key.</summary>
    public Receipt Sign(Receipt receipt)
    {
        if (_key is null)
        {
            return receipt;
        }
        byte[] signed = receipt.SignedBytes();
        lock (_signing)
        {
            return receipt with { Signature = new(_publicKey, _key.SignData(signed, HashAlgorithmName.SHA256)) };
        }
    }

    public void Dispose() => _key?.Dispose();

    private static ECDsa? Read(GatewayOptions options)
    {
        if (options.ReceiptKey is not { } path)
        {
            return null;
        }
        var file = new OptionFile("--receipt-key", path);
        byte[] content = file.Read();
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(Encoding.UTF8.GetString(content));
            _ = key.ExportParameters(includePrivateParameters: true);
            if (IsUsable(key))
            {
                return key;
            }
        }
        catch (Exception exception) when (exception is CryptographicException or ArgumentException)
        {
            // Said below, without what the file holds.
        }
        key.Dispose();
        throw file.Wrong("which must be a PEM file with the private key of an elliptic curve, P-256 (openssl ecparam -name prime256v1 -genkey -noout).");
    }
}
