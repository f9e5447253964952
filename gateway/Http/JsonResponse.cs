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

    /// <summary>Bytes of a body that are held; a longer one goes out in parts, without its length.</summary>
    private const int HeldBytes = 1024 * 1024;

    /// <summary>Sends a JSON body with its length.</summary>
    public static Task WriteAsync(HttpContext context, int status, Action<Utf8JsonWriter> write) => WriteAsync(context, status, json =>
    {
        write(json);
        return [];
    }, Timeout.InfiniteTimeSpan);

    /// <summary>Sends a JSON body. A client that takes nothing of it for longer than it may is cut off.</summary>
    /// <param name="context">The client.</param>
    /// <param name="status">The status.</param>
    /// <param name="write">Writes it, and yields wherever a part may end.</param>
    /// <param name="readerTimeout">How long the client may take nothing.</param>
    public static async Task WriteAsync(HttpContext context, int status, Func<Utf8JsonWriter, IEnumerable<object>> write, TimeSpan readerTimeout)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = "application/json; charset=utf-8";
        var buffer = new ArrayBufferWriter<byte>(1024);
        using var json = new Utf8JsonWriter(buffer, EventStream.WriterOptions);
        bool isLong = false;
        foreach (object _ in write(json))
        {
            json.Flush();
            if (buffer.WrittenCount >= HeldBytes)
            {
                isLong = true;
                await SendAsync(context, buffer.WrittenMemory, readerTimeout);
                buffer.ResetWrittenCount();
            }
        }
        json.Flush();
        if (!isLong)
        {
            response.ContentLength = buffer.WrittenCount;
        }
        await SendAsync(context, buffer.WrittenMemory, readerTimeout);
    }

    private static async Task SendAsync(HttpContext context, ReadOnlyMemory<byte> body, TimeSpan readerTimeout)
    {
        for (; body.Length > 0; body = body[Math.Min(PartBytes, body.Length)..])
        {
            using var stalls = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            stalls.CancelAfter(readerTimeout); // The server breaks the connection then.
            await context.Response.Body.WriteAsync(body[..Math.Min(PartBytes, body.Length)], stalls.Token);
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
