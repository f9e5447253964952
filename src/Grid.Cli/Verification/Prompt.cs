namespace Grid.Cli.Verification;

/// <summary>A prompt: text, or token ids where <see cref="Text"/> is null.</summary>
public sealed record Prompt
{
    private Prompt(string? text, IReadOnlyList<int> ids)
    {
        Text = text;
        Ids = ids;
    }

    /// <summary>Its text.</summary>
    public string? Text { get; }

    /// <summary>Its ids, where it has no text.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Characters, or ids.</summary>
    public int Length => Text?.Length ?? Ids.Count;

    /// <summary>A prompt of text.</summary>
    public static Prompt Of(string text) => new(text, []);

    /// <summary>A prompt of ids.</summary>
    public static Prompt Of(IEnumerable<int> ids) => new(null, [.. ids]);

    /// <summary>A part of it: so many characters or ids from a place on.</summary>
    public Prompt Slice(int start, int length) => Text is not null ? Of(Text.Substring(start, length)) : Of(Ids.Skip(start).Take(length));
}
