using System.IO.Compression;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace Grid.Gateway.Http;

/// <summary>Reads a request's JSON body under the gateway's limits.</summary>
internal static class RequestBody
{
    /// <summary>A request's JSON as something of ours. The body is let go of when it has been understood.</summary>
    public static async Task<T> ReadAsync<T>(HttpContext context, BodyBudget budget, GatewayOptions options, Func<JsonElement, T> parse)
    {
        var bytes = await ReadAsync(context, budget);
        return await budget.TakeApartAsync(bytes.Length, TakeApart, context.RequestAborted);

        T TakeApart()
        {
            using var body = Parse(bytes, options.MaxJsonDepth);
            return parse(body.RootElement);
        }
    }

    /// <summary>
    /// A JSON body's bytes. Throws <see cref="ApiException"/>: 415 for another content type, 413 above
    /// <see cref="BodyBudget.MaxBodyBytes"/>, 429 when all bodies together are too large.
    /// </summary>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext context, BodyBudget budget)
    {
        RequireJson(context.Request.ContentType);
        var reader = ReaderOf(context.Request);
        long limit = budget.MaxBodyBytes;
        if (context.Request.ContentLength > limit) // Packed or not.
        {
            throw ApiErrors.TooLarge(limit);
        }
        var share = budget.Open(context);
        using var bytes = new MemoryStream((int)Math.Min(context.Request.ContentLength ?? 4096, 64 * 1024));
        try
        {
            while (true)
            {
                var read = await ReadAsync(reader, context.RequestAborted);
                try
                {
                    if (bytes.Length + read.Buffer.Length > limit)
                    {
                        throw ApiErrors.TooLarge(limit);
                    }
                    share.Take(read.Buffer.Length);
                    foreach (var segment in read.Buffer)
                    {
                        bytes.Write(segment.Span);
                    }
                }
                finally
                {
                    // A connection is used again after a refusal.
                    reader.AdvanceTo(read.Buffer.End);
                }
                if (read.IsCompleted)
                {
                    return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
                }
            }
        }
        finally
        {
            if (reader != context.Request.BodyReader)
            {
                await reader.CompleteAsync();
            }
        }
    }

    /// <summary>As above, where a body may be left out: nothing at all is an object without fields.</summary>
    public static Task<T> ReadOptionalAsync<T>(HttpContext context, BodyBudget budget, GatewayOptions options, Func<JsonElement, T> parse) =>
        context.Request.ContentLength is null or 0 && !context.Request.Headers.ContainsKey(HeaderNames.TransferEncoding)
            ? Task.FromResult(parse(JsonElement.Parse("{}")))
            : ReadAsync(context, budget, options, parse);

    /// <summary>Refuses a body where none is taken, but for an object without fields.</summary>
    public static async Task RequireEmptyAsync(HttpContext context)
    {
        var read = await ReadAsync(context.Request.BodyReader, context.RequestAborted);
        string body = Encoding.UTF8.GetString(read.Buffer.Slice(0, Math.Min(read.Buffer.Length, 64)));
        context.Request.BodyReader.AdvanceTo(read.Buffer.End);
        if (string.Concat(body.Where(c => !char.IsWhiteSpace(c))) is not ("" or "{}" or "null"))
        {
            throw ApiErrors.Invalid(null, "unexpected_body", "This request takes no body; send it empty.");
        }
    }

    /// <summary>Bytes to a document whose root is an object. Throws <see cref="ApiException"/> (400) for invalid UTF-8 or JSON and
    /// for nesting that is too deep.</summary>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, int maxDepth)
    {
        if (utf8.Span.StartsWith(Encoding.UTF8.Preamble))
        {
            utf8 = utf8[Encoding.UTF8.Preamble.Length..];
        }
        if (utf8.IsEmpty)
        {
            throw ApiErrors.Malformed("The request body is empty; it must be a JSON object.");
        }
        // Utf8JsonReader checks the bytes of strings only when they are read; here all are, before anything else.
        if (!Utf8.IsValid(utf8.Span))
        {
            throw ApiErrors.Malformed("The request body is not valid UTF-8.");
        }
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
        }
        catch (JsonException exception)
        {
            throw ApiErrors.Malformed(
                $"The request body is not valid JSON nested at most {maxDepth} deep: {Shortened(exception.Message)}");
        }
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            string shown = JsonShown.Value(document.RootElement);
            document.Dispose();
            throw ApiErrors.Invalid(null, "invalid_type", $"The request body is {shown}; it must be a JSON object.");
        }
        return document;
    }

    /// <summary>Reads on. What the server cannot make out of the body's chunks and trailers is the client's mistake.</summary>
    private static async Task<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAsync(cancellationToken);
        }
        catch (InvalidDataException)
        {
            throw ApiErrors.Invalid(null, "bad_request", "The request body is not packed as its Content-Encoding says.");
        }
        catch (Exception exception) when (exception is (IOException or InvalidOperationException) and not BadHttpRequestException && !cancellationToken.IsCancellationRequested)
        {
            throw ApiErrors.Invalid(null, "bad_request", "The request body is not framed as HTTP asks.");
        }
    }

    /// <summary>The body as it was before it was packed.</summary>
    private static PipeReader ReaderOf(HttpRequest request)
    {
        string? encoding = request.Headers.ContentEncoding;
        return encoding?.Trim().ToLowerInvariant() switch
        {
            null or "" or "identity" => request.BodyReader,
            "gzip" or "x-gzip" => PipeReader.Create(new GZipStream(request.Body, CompressionMode.Decompress)),
            "deflate" => PipeReader.Create(new ZLibStream(request.Body, CompressionMode.Decompress)),
            "br" => PipeReader.Create(new BrotliStream(request.Body, CompressionMode.Decompress)),
            _ => throw ApiErrors.WrongMedia($"Content-Encoding is {JsonShown.Text(encoding)}; it must be gzip, deflate, br or identity."),
        };
    }

    private static string Shortened(string message) => message.Length <= 200 ? message : message[..200] + "...";

    private static void RequireJson(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var parsed)
            || !parsed.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
            || (parsed.Charset.HasValue && !HeaderUtilities.RemoveQuotes(parsed.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase)))
        {
            throw ApiErrors.NotJson(contentType);
        }
    }
}
