using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Grid.Numerics;

namespace Grid.Gateway.Receipts;

/// <summary>
/// The running SHA-256 of a receipt: over the bits and the request, then position by position over what came before, the token, and the
/// digest of the logits that it was drawn from. Each value stands for all of the answer up to there.
/// </summary>
internal sealed class ReceiptChain
{
    /// <summary>Bytes of a value.</summary>
    public const int Bytes = SHA256.HashSizeInBytes;

    private readonly byte[] _hashed = new byte[Bytes + sizeof(int) + LogitDigest.Bytes];

    /// <param name="numericsId">The bits.</param>
    /// <param name="requestSha256">The request's digest, in hexadecimal digits.</param>
    public ReceiptChain(string numericsId, string requestSha256) =>
        Value = SHA256.HashData(Encoding.UTF8.GetBytes($"grid receipt 1\n{numericsId}\n{requestSha256}\n"));

    /// <summary>The value so far; at first that of no token.</summary>
    public byte[] Value { get; private set; }

    /// <summary>Takes the next position: SHA-256 of the value (32 bytes), the token's id (32 bits, little-endian) and the digest (16
    /// bytes).</summary>
    public byte[] Take(int token, LogitDigest digest)
    {
        Value.CopyTo(_hashed, 0);
        BinaryPrimitives.WriteInt32LittleEndian(_hashed.AsSpan(Bytes), token);
        digest.WriteTo(_hashed.AsSpan(Bytes + sizeof(int)));
        return Value = SHA256.HashData(_hashed);
    }
}
