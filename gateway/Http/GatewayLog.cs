
namespace Grid.Gateway.Http;

/// <summary>The gateway's log lines. None carries a prompt, an answer, or an error's text (which may quote a prompt).</summary>
internal static partial class GatewayLog
{
    /// <summary>A request's path, without the id that lets its caller go on with a stream.</summary>
    public static string PathOf(HttpContext context) =>
        context.Request.Path.StartsWithSegments("/v1/sequences", out var rest) && rest.HasValue ? "/v1/sequences/..." : context.Request.Path.ToUriComponent();

    [LoggerMessage(1, LogLevel.Information,
        "{Path} answered: {Sequences} sequences, {PromptTokens} prompt tokens, {CompletionTokens} completion tokens, {Milliseconds:F1} ms, key {Key}, user {User}, request {RequestId}")]
    public static partial void Answered(
        ILogger logger, string path, int sequences, int promptTokens, int completionTokens, double milliseconds,
        string? key, string? user, string requestId);

    [LoggerMessage(2, LogLevel.Information, "{Path} refused: {Status} {Code}, request {RequestId}")]
    public static partial void RequestRefused(ILogger logger, string path, int status, string? code, string requestId);

    [LoggerMessage(3, LogLevel.Error, "{Path} failed, request {RequestId}")]
    public static partial void RequestFailed(ILogger logger, string path, string requestId, Exception exception);

    [LoggerMessage(4, LogLevel.Information, "{Path}: the client left before the end, request {RequestId}")]
    public static partial void ClientLeft(ILogger logger, string path, string requestId);

    [LoggerMessage(5, LogLevel.Error, "{Path} failed while streaming: {Code}, request {RequestId}")]
    public static partial void StreamFailed(ILogger logger, string path, string? code, string requestId, Exception? exception);

    [LoggerMessage(7, LogLevel.Information, "{Path} ended before its end: {Code}, request {RequestId}")]
    public static partial void Ended(ILogger logger, string path, string? code, string requestId);

    [LoggerMessage(8, LogLevel.Warning, "A request could not be kept; until it is, its stream cannot be resumed")]
    public static partial void NotKept(ILogger logger, Exception exception);

    [LoggerMessage(10, LogLevel.Warning, "A receipt could not be kept, and others will not be for a while; their answers go on without")]
    public static partial void ReceiptNotKept(ILogger logger, Exception exception);

    [LoggerMessage(11, LogLevel.Warning, "The store of remembered answers fails; until it answers, what is asked is computed")]
    public static partial void AnswersAway(ILogger logger, Exception exception);

    [LoggerMessage(12, LogLevel.Error,
        "The remembered answer {Key} of model {Model}, {NumericsId}, differs from what was computed again: {Same} tokens are the same, of {Remembered} remembered and {Computed} computed; it is forgotten")]
    public static partial void AnswerDiffers(ILogger logger, string key, string model, string numericsId, int same, int remembered, int computed);

    [LoggerMessage(13, LogLevel.Warning, "The remembered answer {Key} could not be computed again")]
    public static partial void NotAudited(ILogger logger, string key, Exception exception);

    [LoggerMessage(9, LogLevel.Warning, "Kept requests could not be renewed; those of running streams may expire")]
    public static partial void NotRenewed(ILogger logger, Exception exception);
}
