using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Gateway.Running;
using Grid.Sequences;

namespace Grid.Gateway.Receipts;

/// <summary>What an answer was computed from and what came of it, in a form that anybody with the same weights can check
/// (gateway/RECEIPTS.md). A function of the request and the model's bits, but for the signature.</summary>
internal sealed record Receipt
{
    /// <summary>Of this form.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Its "object".</summary>
    public const string ObjectName = "grid.receipt";

    /// <summary>The model's bits.</summary>
    public required string NumericsId { get; init; }

    /// <summary>SHA-256 of the request's bytes, in hexadecimal digits.</summary>
    public required string RequestSha256 { get; init; }

    /// <summary>The request; null where only its digest is told.</summary>
    public CanonicalRequest? Request { get; init; }

    /// <summary>"stop" or "length".</summary>
    public required string FinishReason { get; init; }

    /// <summary>Output tokens.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>[tokens] of <see cref="ReceiptChain.Bytes"/>, one after the other.</summary>
    public required byte[] Chain { get; init; }

    /// <summary>Null where it is not signed.</summary>
    public ReceiptSignature? Signature { get; init; }

    /// <summary>The receipt of a sequence that has ended by itself; null of one that was aborted, or whose tokens have no digests.</summary>
    public static Receipt? Of(string model, string numericsId, Transcript transcript)
    {
        if (transcript.FinishReason is not ("stop" or "length") || transcript.Tokens.Count == 0 || transcript.Tokens.Any(token => token.Digest is null))
        {
            return null;
        }
        var request = CanonicalRequest.Of(model, transcript);
        string digest = CanonicalRequest.DigestOf(request.Write());
        var chain = new ReceiptChain(numericsId, digest);
        byte[] values = new byte[transcript.Tokens.Count * ReceiptChain.Bytes];
        foreach (var (i, token) in transcript.Tokens.Index())
        {
            chain.Take(token.TokenId, token.Digest!.Value.ToDigest()).CopyTo(values, i * ReceiptChain.Bytes);
        }
        return new Receipt
        {
            NumericsId = numericsId,
            RequestSha256 = digest,
            Request = request,
            FinishReason = transcript.FinishReason,
            Tokens = [.. transcript.Tokens.Select(token => token.TokenId)],
            Chain = values,
        };
    }

    /// <summary>The chain's value at a position, in hexadecimal digits.</summary>
    public string ChainAt(int position) => Convert.ToHexStringLower(Chain.AsSpan(position * ReceiptChain.Bytes, ReceiptChain.Bytes));

    /// <summary>What a signature is of: a text of all that the receipt says, the request by its digest.</summary>
    public byte[] SignedBytes() => Encoding.UTF8.GetBytes(
        $"grid receipt signature {CurrentVersion}\n{NumericsId}\n{RequestSha256}\n{FinishReason}\n{Tokens.Length}\n"
        + $"{Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<int>(Tokens)))}\n{Convert.ToHexStringLower(SHA256.HashData(Chain))}\n");

    /// <summary>Its JSON.</summary>
    public byte[] Write()
    {
        var bytes = new ArrayBufferWriter<byte>(1024 + (Tokens.Length * 80));
        using var json = new Utf8JsonWriter(bytes, EventStream.WriterOptions);
        json.WriteStartObject();
        json.WriteString("object", ObjectName);
        json.WriteNumber("version", CurrentVersion);
        json.WriteString("system_fingerprint", NumericsId);
        json.WriteString("request_sha256", RequestSha256);
        if (Request is not null)
        {
            json.WritePropertyName("request");
            json.WriteRawValue(Request.Write());
        }
        json.WriteString("finish_reason", FinishReason);
        json.WriteStartArray("tokens");
        foreach (int token in Tokens)
        {
            json.WriteNumberValue(token);
        }
        json.WriteEndArray();
        json.WriteStartArray("chain");
        for (int i = 0; i < Tokens.Length; i++)
        {
            json.WriteStringValue(ChainAt(i));
        }
        json.WriteEndArray();
        Signature?.Write(json);
        json.WriteEndObject();
        json.Flush();
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads one, and the request beside it where it has only the digest. Throws <see cref="ApiException"/> with field, value and
    /// rule.</summary>
    public static Receipt Parse(JsonField field, JsonField? beside, ISequenceService service)
    {
        var fields = field.Object();
        RequireText(fields.Require("object", $"'{ObjectName}'"), ObjectName);
        fields.Require("version", $"{CurrentVersion}").Int32(CurrentVersion, CurrentVersion);
        string numericsId = fields.Require("system_fingerprint", "a string").NonEmpty(maxLength: 256);
        string digest = Digits(fields.Require("request_sha256", "64 hexadecimal digits"));
        var inside = fields.Take("request");
        if (inside is not null && beside is not null)
        {
            throw ApiErrors.Duplicate(beside.Value.Path);
        }
        var request = CanonicalRequest.Parse(
            inside ?? beside ?? throw ApiErrors.Missing(fields.PathOf("request"), "the request that the receipt is of, here or beside it"), service, numericsId);
        var reason = fields.Require("finish_reason", "'stop' or 'length'");
        string finish = reason.String(maxLength: 64) is "stop" or "length" ? reason.String() : throw reason.WrongValue("'stop' or 'length'");
        var (tokens, chain) = ParseOutput(fields, request.Generation.MaxNewTokens!.Value);
        var signature = fields.Take("signature") is { } signed ? ReceiptSignature.Parse(signed) : null;
        fields.RefuseOthers();
        return new Receipt
        {
            NumericsId = numericsId,
            RequestSha256 = digest,
            Request = request,
            FinishReason = finish,
            Tokens = tokens,
            Chain = chain,
            Signature = signature,
        };
    }

    private static (int[] Tokens, byte[] Chain) ParseOutput(JsonFields fields, int maxNewTokens)
    {
        var output = fields.Require("tokens", "a list of token ids");
        int[] tokens = output.TokenIds(maxItems: maxNewTokens);
        output.RequireItems("a list of at least one token id");
        var values = fields.Require("chain", "a list of SHA-256s");
        values.RequireList("a list of SHA-256s");
        if (values.Value.GetArrayLength() is var count && count != tokens.Length)
        {
            throw ApiErrors.WrongValue(values.Path, $"a list of {count}", $"one value for each of the {tokens.Length} tokens");
        }
        byte[] chain = new byte[tokens.Length * ReceiptChain.Bytes];
        foreach (var (i, value) in values.Items().Index())
        {
            Convert.FromHexString(Digits(value)).CopyTo(chain, i * ReceiptChain.Bytes);
        }
        return (tokens, chain);
    }

    private static string Digits(JsonField field) =>
        field.String(maxLength: 2 * ReceiptChain.Bytes) is { Length: 2 * ReceiptChain.Bytes } text && text.All(char.IsAsciiHexDigitLower)
            ? text
            : throw field.WrongValue($"{2 * ReceiptChain.Bytes} hexadecimal digits in lower case");

    private static void RequireText(JsonField field, string text)
    {
        if (field.String(maxLength: 64) != text)
        {
            throw field.WrongValue($"'{text}'");
        }
    }
}
