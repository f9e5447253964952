
namespace Grid.Gateway.Http;

/// <summary>The error object of the OpenAI API, with the HTTP status it travels under.</summary>
/// <param name="Status">HTTP status code.</param>
/// <param name="Message">For people: field, value (shortened) and the rule it broke.</param>
/// <param name="Type">The API's error family, e.g. invalid_request_error.</param>
/// <param name="Param">Path of the field at fault, e.g. messages[1].content; null when there is none.</param>
/// <param name="Code">For programs: what kind of mistake it is.</param>
/// <param name="RetryAfterSeconds">Sent as Retry-After when set.</param>
internal sealed record ApiError(
    int Status, string Message, string Type, string? Param, string? Code, int? RetryAfterSeconds = null);

/// <summary>Ends the handling of a request with an <see cref="ApiError"/>.</summary>
internal sealed class ApiException(ApiError error) : Exception(error.Message)
{
    public ApiError Error { get; } = error;
}

/// <summary>The mistakes a request can make, each with its own wording.</summary>
internal static class ApiErrors
{
    /// <summary>The code of prompts, or prompts and outputs together, that a model's context cannot hold.</summary>
    public const string ContextLengthExceeded = "context_length_exceeded";

    /// <summary>The model has, or gets, other weights than the request was made for.</summary>
    public const string WeightsChanged = "weights_changed";

    private const string InvalidRequest = "invalid_request_error";

    public static ApiException WrongType(string path, string shownValue, string expected) =>
        Invalid(path, "invalid_type", $"'{path}' is {shownValue}; it must be {expected}.");

    public static ApiException WrongValue(string path, string shownValue, string rule) =>
        Invalid(path, "invalid_value", $"'{path}' is {shownValue}; it must be {rule}.");

    public static ApiException Missing(string path, string rule) =>
        Invalid(path, "missing_required_parameter", $"'{path}' is missing; it must be {rule}.");

    public static ApiException Unknown(string path, string? nearest = null) =>
        Invalid(path, "unknown_parameter", $"'{path}' is not a field of this request; {(nearest is null ? "remove it." : $"did you mean '{nearest}'?")}");

    public static ApiException Unsupported(string path, string shownValue, string allowed) =>
        Invalid(path, "unsupported_parameter", $"'{path}' is {shownValue}, which is not supported yet; {allowed}.");

    /// <summary>An endpoint of another server's that Grid has not, and what to do instead.</summary>
    public static ApiException UnsupportedEndpoint(string path, string instead) => new(new ApiError(
        StatusCodes.Status501NotImplemented, $"{path} is not supported: {instead}.", InvalidRequest, null, "unsupported_endpoint"));

    public static ApiException Duplicate(string path) =>
        Invalid(path, "duplicate_parameter", $"'{path}' is given more than once; give it once.");

    public static ApiException Malformed(string message) =>
        new(new ApiError(StatusCodes.Status400BadRequest, message, InvalidRequest, null, "invalid_json"));

    public static ApiException Invalid(string? path, string code, string message) =>
        new(new ApiError(StatusCodes.Status400BadRequest, message, InvalidRequest, path, code));

    public static ApiException ModelNotFound(string model) =>
        new(new ApiError(StatusCodes.Status404NotFound,
            $"'model' is {JsonShown.Text(model)}; it must be a model served here (GET /v1/models lists them).",
            InvalidRequest, "model", "model_not_found"));

    public static ApiException TooLarge(long limit) =>
        new(new ApiError(StatusCodes.Status413PayloadTooLarge,
            $"The request body is larger than {limit} bytes, the limit of this gateway.",
            InvalidRequest, null, "request_too_large"));

    public static ApiException NotJson(string? contentType) =>
        WrongMedia($"Content-Type is {(contentType is null ? "missing" : JsonShown.Text(contentType))}; it must be application/json in UTF-8.");

    public static ApiException WrongMedia(string message) =>
        new(new ApiError(StatusCodes.Status415UnsupportedMediaType, message, InvalidRequest, null, "unsupported_media_type"));

    public static ApiException Unavailable(string reason) =>
        new(new ApiError(StatusCodes.Status503ServiceUnavailable, reason, "service_unavailable", null,
            "service_unavailable", RetryAfterSeconds: 1));

    public static ApiException Overloaded(string reason, TimeSpan? retryAfter) =>
        new(new ApiError(StatusCodes.Status429TooManyRequests, reason, "rate_limit_error", null,
            "overloaded", RetryAfterSeconds: Math.Max(1, (int)Math.Ceiling((retryAfter ?? TimeSpan.Zero).TotalSeconds))));

    /// <summary>What a gateway that stops says to new requests, and to those that do not end in time.</summary>
    public static ApiError Draining(string advice) =>
        new(StatusCodes.Status503ServiceUnavailable, $"This gateway is shutting down; {advice}.", "service_unavailable", null,
            "gateway_draining", RetryAfterSeconds: 1);

    /// <summary>A request that took longer than it may.</summary>
    public static ApiError TimedOut(TimeSpan limit) =>
        new(StatusCodes.Status504GatewayTimeout,
            FormattableString.Invariant($"The request has taken {limit.TotalSeconds} s, as long as its 'timeout' or this gateway (--request-timeout) allows."),
            "timeout", null, "request_timeout");

    /// <summary>A client that does not take what it is sent.</summary>
    public static ApiError NotRead(TimeSpan limit) =>
        new(StatusCodes.Status408RequestTimeout,
            FormattableString.Invariant($"Nothing was read for {limit.TotalSeconds} s, as long as this gateway allows (--reader-timeout)."),
            "timeout", null, "reader_timeout");

    /// <summary>A request that is not, or no longer, possible as things stand.</summary>
    public static ApiException Conflict(string code, string message) =>
        new(new ApiError(StatusCodes.Status409Conflict, message, "conflict", null, code));

    /// <summary>A request that who makes it may not make.</summary>
    public static ApiException Forbidden(string code, string message) =>
        new(new ApiError(StatusCodes.Status403Forbidden, message, InvalidRequest, null, code));

    /// <summary>A request that needs a key, and has none or a wrong one.</summary>
    public static ApiException Unauthorized(bool isMissing) =>
        new(new ApiError(StatusCodes.Status401Unauthorized,
            isMissing ? "The request has no API key; send one as 'Authorization: Bearer KEY'." : "The API key is wrong, or no longer valid.",
            InvalidRequest, null, isMissing ? "missing_api_key" : "invalid_api_key"));

    /// <summary>A request whose key is for something else.</summary>
    public static ApiException OutOfScope(string scope) =>
        Forbidden("insufficient_scope", $"The API key is not for this; it must be one of scope '{scope}'.");

    /// <summary>No stream is kept under an id.</summary>
    public static ApiException StreamNotFound(string id, string reason) =>
        new(new ApiError(StatusCodes.Status404NotFound, $"No stream {JsonShown.Text(id)} can be resumed: {reason}.",
            InvalidRequest, "id", "stream_not_found"));

    /// <summary>No receipt is kept under an id.</summary>
    public static ApiException ReceiptNotFound(string id, string reason) =>
        new(new ApiError(StatusCodes.Status404NotFound, $"There is no receipt of {JsonShown.Text(id)}: {reason}.",
            InvalidRequest, "id", "receipt_not_found"));

    /// <summary>A Last-Event-ID that no event of the stream can have had.</summary>
    public static ApiException WrongEventId(string shown, string rule) =>
        Invalid("Last-Event-ID", "invalid_last_event_id", $"'Last-Event-ID' is {shown}; it must be {rule}.");

    /// <summary>A sequence that ended with an error of its own.</summary>
    public static ApiException Failed(string reason) => new(ServerError(reason));

    public static ApiError ServerError(string reason) =>
        new(StatusCodes.Status500InternalServerError, reason, "server_error", null, "internal_error");
}
