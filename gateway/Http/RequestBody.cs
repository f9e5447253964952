using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace Grid.Gateway.Http;

/// <summary>Reads a request's JSON body under the gateway's limits.</summary>
internal static class RequestBody
{
    /// <summary>
    /// The body as a document; its root is an object. Throws <see cref="ApiException"/>: 415 for another content type,
    /// 413 above <see cref="GatewayOptions.MaxRequestBodyBytes"/>, 400 for invalid UTF-8 or JSON and for nesting deeper
    /// than <see cref="GatewayOptions.MaxJsonDepth"/>.
    /// </summary>
    public static async Task<JsonDocument> ReadAsync(HttpContext context, GatewayOptions options)
    {
        RequireJson(context.Request.ContentType);
        var body = await ReadBytesAsync(context.Request, options.MaxRequestBodyBytes, context.RequestAborted);
        return Parse(body, options.MaxJsonDepth);
    }

    /// <summary>Refuses a body where none is taken.</summary>
    public static async Task RequireEmptyAsync(HttpContext context)
    {
        byte[] buffer = new byte[1];
        if (await context.Request.Body.ReadAsync(buffer, context.RequestAborted) != 0)
        {
            throw ApiErrors.Invalid(null, "unexpected_body", "This request takes no body; send it empty.");
        }
    }

    /// <summary>Bytes to a document whose root is an object.</summary>
    internal static JsonDocument Parse(ReadOnlyMemory<byte> utf8, int maxDepth)
    {
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

    private static string Shortened(string message) => message.Length <= 200 ? message : message[..200] + "...";

    private static void RequireJson(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var parsed)
            || !parsed.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
            || (parsed.Charset.HasValue && !parsed.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)))
        {
            throw ApiErrors.NotJson(contentType);
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadBytesAsync(
        HttpRequest request, long limit, CancellationToken cancellationToken)
    {
        if (request.ContentLength > limit)
        {
            throw ApiErrors.TooLarge(limit);
        }
        using var bytes = new MemoryStream((int)Math.Min(request.ContentLength ?? 4096, 64 * 1024));
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            foreach (var segment in read.Buffer)
            {
                if (bytes.Length + segment.Length > limit)
                {
                    throw ApiErrors.TooLarge(limit);
                }
                bytes.Write(segment.Span);
            }
            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
            }
        }
    }
}
