namespace Grid.Gateway.Http;

/// <summary>Ids of a stream's events: many clients take every line for data, so only who asks gets them.</summary>
internal static class EventIds
{
    /// <summary>The header that asks, where stream_options.include_event_ids does not.</summary>
    public const string Header = "X-Event-Ids";

    /// <summary>Whether the header asks. Throws <see cref="ApiException"/> (400) for what is neither true nor false.</summary>
    public static bool AreAsked(HttpRequest request) => (string?)request.Headers[Header] switch
    {
        null or "" or "false" => false,
        "true" => true,
        var other => throw ApiErrors.WrongValue(Header, JsonShown.Text(other), "true or false"),
    };
}
