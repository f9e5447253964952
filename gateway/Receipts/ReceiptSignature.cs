using System.Security.Cryptography;
using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;

namespace Grid.Gateway.Receipts;

/// <summary>Who says that a receipt is right: ECDSA over P-256 with SHA-256.</summary>
/// <param name="PublicKey">SubjectPublicKeyInfo, DER.</param>
/// <param name="Value">r and s, 32 bytes each.</param>
internal sealed record ReceiptSignature(byte[] PublicKey, byte[] Value)
{
    /// <summary>As JSON Web Algorithms call it.</summary>
    public const string Algorithm = "ES256";

    private const int MaxKeyBytes = 512;

    /// <summary>Whether it is of these bytes.</summary>
    public bool IsOf(byte[] signed)
    {
        try
        {
            using var key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(PublicKey, out int read);
            return read == PublicKey.Length && ReceiptSigner.IsUsable(key) && key.VerifyData(signed, Value, HashAlgorithmName.SHA256);
        }
        catch (CryptographicException)
        {
            return false; // No key at all.
        }
    }

    /// <summary>Its JSON, as the field of an object.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("signature");
        json.WriteString("algorithm", Algorithm);
        json.WriteBase64String("public_key", PublicKey);
        json.WriteBase64String("value", Value);
        json.WriteEndObject();
    }

    /// <summary>Reads one. Throws <see cref="ApiException"/>.</summary>
    public static ReceiptSignature Parse(JsonField field)
    {
        var fields = field.Object();
        var algorithm = fields.Require("algorithm", $"'{Algorithm}'");
        if (algorithm.String(maxLength: 64) != Algorithm)
        {
            throw algorithm.WrongValue($"'{Algorithm}'");
        }
        byte[] key = Base64(fields.Require("public_key", "base64"), MaxKeyBytes);
        byte[] value = Base64(fields.Require("value", "base64"), MaxKeyBytes);
        fields.RefuseOthers();
        return new(key, value);
    }

    private static byte[] Base64(JsonField field, int maxBytes)
    {
        string text = field.String(maxLength: maxBytes * 2);
        byte[] bytes = new byte[maxBytes * 2];
        return Convert.TryFromBase64String(text, bytes, out int count) && count is > 0 && count <= maxBytes
            ? bytes[..count]
            : throw field.WrongValue($"base64 of at most {maxBytes} bytes");
    }
}
