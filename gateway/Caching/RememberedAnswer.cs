using Grid.Grains.Messages;

namespace Grid.Gateway.Caching;

/// <summary>All that a sequence has said, as it is remembered.</summary>
[GenerateSerializer, Immutable, Alias("grid.remembered-answer")]
internal sealed record RememberedAnswer
{
    /// <summary>Output tokens at most, settled.</summary>
    [Id(0)]
    public required int MaxNewTokens { get; init; }

    /// <summary>Prompt tokens that were found in the prefix cache when it was computed.</summary>
    [Id(1)]
    public required int CachedTokens { get; init; }

    /// <summary>Its updates as they came, so that a stream is told again in the same events.</summary>
    [Id(2)]
    public required SequenceUpdate[] Updates { get; init; }

    /// <summary>All of it in one: how it was cut into updates depends on timing.</summary>
    public static SequenceUpdate Together(IReadOnlyList<SequenceUpdate> updates) => updates[^1] with
    {
        Text = string.Concat(updates.Select(update => update.Text)),
        Tokens = [.. updates.SelectMany(update => update.Tokens)],
        PromptTokens = [.. updates.SelectMany(update => update.PromptTokens)],
        PromptFirstIndex = updates.FirstOrDefault(update => update.PromptTokens.Length > 0)?.PromptFirstIndex ?? 0,
    };
}
