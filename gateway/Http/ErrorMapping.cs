using Grid.Gateway.Requests;
using Grid.Sequences;

namespace Grid.Gateway.Http;

/// <summary>Exceptions as clients see them.</summary>
internal static class ErrorMapping
{
    /// <summary>Never carries a stack or an unexpected exception's message; the id leads to the log.</summary>
    public static ApiError ToApiError(Exception exception, string requestId) => exception switch
    {
        ApiException api => api.Error,
        GridRequestException refused => ToApiError(refused, refused.Parameter, refused.Message),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
            new ApiError(StatusCodes.Status413PayloadTooLarge, "The request body is larger than this gateway takes.",
                "invalid_request_error", null, "request_too_large"),
        BadHttpRequestException bad =>
            new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, "bad_request"),
        _ => ApiErrors.ServerError($"The server failed to answer request {requestId}."),
    };

    /// <summary>A refusal by the grid, in the names of the client's request instead of the sequence spec's.</summary>
    public static ApiException ToApiException(GridRequestException refused, RequestPlan plan, int promptIndex)
    {
        var field = plan.FieldOf(refused.Parameter, promptIndex);
        var message = refused.Message;
        if (field is not null && field != refused.Parameter)
        {
            // The grid's sentence begins with its own name for the place.
            message = message.StartsWith(refused.Parameter!, StringComparison.Ordinal)
                ? Shown(field, refused.Parameter!) + message[refused.Parameter!.Length..]
                : $"'{field}': {message}";
        }
        return new ApiException(ToApiError(refused, field, message));
    }

    private static string Shown(string field, string specPath) =>
        specPath.EndsWith(".Length", StringComparison.Ordinal) ? $"The number of tokens of '{field}'"
        : specPath.EndsWith(".TokenId", StringComparison.Ordinal) ? $"A token id of '{field}'"
        : $"'{field}'";

    private static ApiError ToApiError(GridRequestException refused, string? param, string message) => refused.Refusal switch
    {
        GridRefusal.InvalidRequest => ApiErrors.Invalid(param,
            refused.Parameter?.EndsWith(".Length", StringComparison.Ordinal) == true ? ApiErrors.ContextLengthExceeded : "invalid_value",
            message).Error,
        GridRefusal.ModelNotFound => new ApiError(StatusCodes.Status404NotFound, message, "invalid_request_error", "model", "model_not_found"),
        GridRefusal.Overloaded => ApiErrors.Overloaded(message, refused.RetryAfter).Error,
        _ => ApiErrors.Unavailable(message).Error with { Param = param },
    };
}
