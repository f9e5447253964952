using Grid.Gateway.Requests;
using Grid.Sequences;

namespace Grid.Gateway.Http;

/// <summary>Exceptions as clients see them.</summary>
internal static class ErrorMapping
{
    /// <summary>Never carries a stack or an unexpected exception's message; the id leads to the log.</summary>
    public static ApiError ToApiError(Exception exception, string requestId, RequestPlan? plan = null) => exception switch
    {
        ApiException api => api.Error,
        GridRequestException refused => ToApiError(refused, plan),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
            new ApiError(StatusCodes.Status413PayloadTooLarge, "The request body is larger than this gateway takes.",
                "invalid_request_error", null, "request_too_large"),
        BadHttpRequestException bad =>
            new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, "bad_request"),
        _ => ApiErrors.ServerError($"The server failed to answer request {requestId}."),
    };

    private static ApiError ToApiError(GridRequestException refused, RequestPlan? plan)
    {
        var param = plan?.FieldOf(refused.Parameter) ?? refused.Parameter;
        return refused.Refusal switch
        {
            GridRefusal.InvalidRequest => ApiErrors.Invalid(param, "invalid_value",
                param is null || param == refused.Parameter ? refused.Message : $"'{param}': {refused.Message}").Error,
            GridRefusal.ModelNotFound => new ApiError(StatusCodes.Status404NotFound, refused.Message,
                "invalid_request_error", "model", "model_not_found"),
            GridRefusal.Overloaded => ApiErrors.Overloaded(refused.Message).Error,
            _ => ApiErrors.Unavailable(refused.Message).Error,
        };
    }
}
