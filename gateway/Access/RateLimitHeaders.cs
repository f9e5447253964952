using System.Globalization;
using Grid.Sequences;

namespace Grid.Gateway.Access;

/// <summary>What a client is told of what it may have, in OpenAI's headers: requests are sequences, those that
/// may begin in a minute where that is limited, else those that may run at a time.</summary>
internal static class RateLimitHeaders
{
    private const string LimitRequests = "x-ratelimit-limit-requests";
    private const string RemainingRequests = "x-ratelimit-remaining-requests";
    private const string ResetRequests = "x-ratelimit-reset-requests";
    private const string LimitTokens = "x-ratelimit-limit-tokens";
    private const string RemainingTokens = "x-ratelimit-remaining-tokens";
    private const string ResetTokens = "x-ratelimit-reset-tokens";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Names { get; } = [LimitRequests, RemainingRequests, ResetRequests, LimitTokens, RemainingTokens, ResetTokens];

    /// <summary>Has an answer tell what its client may have when it begins, where there is a limit.</summary>
    public static void WillShow(HttpResponse response, ISequenceService service, string client) => response.OnStarting(() =>
    {
        var allowance = service.AllowanceOf(client);
        if ((allowance.Quota.MaxRequestsPerMinute ?? allowance.Quota.MaxRequests) is { } requests)
        {
            response.Headers[LimitRequests] = Show(requests);
            response.Headers[RemainingRequests] = Show(allowance.Requests);
        }
        if (allowance.Quota.MaxRequestsPerMinute is not null)
        {
            response.Headers[ResetRequests] = ShowSeconds(allowance.RequestsReset);
        }
        if (allowance.Quota.MaxTokens is { } tokens)
        {
            response.Headers[LimitTokens] = Show(tokens);
            response.Headers[RemainingTokens] = Show(allowance.Tokens);
            response.Headers[ResetTokens] = ShowSeconds(allowance.TokensReset);
        }
        return Task.CompletedTask;
    });

    private static string ShowSeconds(TimeSpan time) => $"{Show((int)Math.Ceiling(time.TotalSeconds))}s";

    private static string Show(int number) => number.ToString(CultureInfo.InvariantCulture);
}
