using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Gateway.Http;

/// <summary>Writes JSON answers and error objects.</summary>
internal static class JsonResponse
{
    /// <summary>Sends a JSON object under status 200.</summary>
    public static Task WriteAsync(HttpContext context, JsonObject json) => WriteAsync(context, StatusCodes.Status200OK, writer => json.WriteTo(writer));

    /// <summary>Bytes that a client takes within the time that it may take nothing.</summary>
    private const int PartBytes = 64 * 1024;

    /// <summary>Sends a JSON body whole, with its length. A client that takes nothing of it for longer than it may is cut off.</summary>
    public static async Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write, TimeSpan? readerTimeout = null)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer, EventStream.WriterOptions))
        {
            write(json);
        }
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = buffer.WrittenCount;
        for (var rest = buffer.WrittenMemory; rest.Length > 0; rest = rest[Math.Min(PartBytes, rest.Length)..])
        {
            using var stalls = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            stalls.CancelAfter(readerTimeout ?? Timeout.InfiniteTimeSpan); // The server breaks the connection then.
            await response.Body.WriteAsync(rest[..Math.Min(PartBytes, rest.Length)], stalls.Token);
        }
    }

    /// <summary>Sends an error object under its status.</summary>
    public static Task WriteErrorAsync(HttpContext context, ApiError error)
    {
        if (error.RetryAfterSeconds is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }
        return WriteAsync(context, error.Status, json => WriteError(json, error));
    }

    /// <summary>The error object.</summary>
    public static void WriteError(Utf8JsonWriter json, ApiError error)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", error.Message);
        json.WriteString("type", error.Type);
        json.WriteString("param", error.Param);
        json.WriteString("code", error.Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
