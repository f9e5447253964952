using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace Grid.Gateway.Http;

/// <summary>Reads a request's JSON body under the gateway's limits.</summary>
internal static class RequestBody
{
    /// <summary>
    /// A JSON body's bytes. Throws <see cref="ApiException"/>: 415 for another content type, 413 above
    /// <see cref="BodyBudget.MaxBodyBytes"/>, 429 when all bodies together are too large.
    /// </summary>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext context, BodyBudget budget)
    {
        RequireJson(context.Request.ContentType);
        long limit = budget.MaxBodyBytes;
        if (context.Request.ContentLength > limit)
        {
            throw ApiErrors.TooLarge(limit);
        }
        var share = budget.Open(context);
        using var bytes = new MemoryStream((int)Math.Min(context.Request.ContentLength ?? 4096, 64 * 1024));
        var reader = context.Request.BodyReader;
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

    /// <summary>Refuses a body where none is taken.</summary>
    public static async Task RequireEmptyAsync(HttpContext context)
    {
        var read = await ReadAsync(context.Request.BodyReader, context.RequestAborted);
        bool isEmpty = read.Buffer.IsEmpty;
        context.Request.BodyReader.AdvanceTo(read.Buffer.End);
        if (!isEmpty)
        {
            throw ApiErrors.Invalid(null, "unexpected_body", "This request takes no body; send it empty.");
        }
    }

    /// <summary>Bytes to a document whose root is an object. Throws <see cref="ApiException"/> (400) for invalid UTF-8 or JSON and
    /// for nesting that is too deep.</summary>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, int maxDepth)
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

    /// <summary>Reads on. What the server cannot make out of the body's chunks and trailers is the client's mistake.</summary>
    private static async Task<ReadResult> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is (IOException or InvalidOperationException) and not BadHttpRequestException && !cancellationToken.IsCancellationRequested)
        {
            throw ApiErrors.Invalid(null, "bad_request", "The request body is not framed as HTTP asks.");
        }
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
}
