using Grid.Gateway.Requests;
using Grid.Numerics;

namespace Grid.Gateway.Http;

/// <summary>Exceptions as clients see them.</summary>
internal static class ErrorMapping
{
    /// <summary>Never carries a stack or an unexpected exception's message; the id leads to the log.</summary>
    public static ApiError ToApiError(Exception exception, string requestId) => exception switch
    {
        ApiException api => api.Error,
        RefusedException refused => ToApiError(refused.Refusal, refused.Refusal.Field),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
            new ApiError(StatusCodes.Status413PayloadTooLarge, "The request body is larger than this gateway takes.",
                "invalid_request_error", null, "request_too_large"),
        BadHttpRequestException bad =>
            new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, "bad_request"),
        _ => ApiErrors.ServerError($"The server failed to answer request {requestId}."),
    };

    /// <summary>A refusal by the grid, in the names of the client's request.</summary>
    public static ApiException ToApiException(Refusal refusal, RequestPlan plan, int promptIndex) =>
        new(ToApiError(refusal, plan.FieldOf(refusal, promptIndex)));

    /// <summary>A refusal by the grid, with the request's name for the field that it names.</summary>
    public static ApiError ToApiError(Refusal refusal, string? field)
    {
        string message = refusal.Describe(field is null ? null : refusal.Field switch
        {
            Refusal.PromptLength => $"The number of tokens of '{field}'",
            Refusal.BiasedToken => $"A token id of '{field}'",
            _ => $"'{field}'",
        });
        return refusal.Kind switch
        {
            RefusalKind.Invalid => ApiErrors.Invalid(field,
                refusal.Field is Refusal.PromptLength or nameof(GenerationParameters.MaxNewTokens) ? ApiErrors.ContextLengthExceeded : "invalid_value",
                message).Error,
            RefusalKind.ModelNotFound => ApiErrors.ModelNotFound(refusal.Value ?? "").Error,
            RefusalKind.Overloaded => ApiErrors.Overloaded(message, refusal.RetryAfter).Error,
            RefusalKind.Failed => ApiErrors.ServerError(message),
            RefusalKind.ClientLimit => ApiErrors.Overloaded(message, refusal.RetryAfter).Error with { Code = "rate_limit_exceeded" },
            RefusalKind.WorkerLost => ApiErrors.Unavailable(message).Error with { Code = "worker_lost" },
            RefusalKind.WeightsChanged => ApiErrors.Unavailable(message).Error with { Code = ApiErrors.WeightsChanged },
            RefusalKind.Draining => ApiErrors.Draining("send the request to another one"),
            _ => ApiErrors.Unavailable(message).Error with { Param = field },
        };
    }
}
