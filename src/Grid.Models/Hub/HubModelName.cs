using System.Buffers;

namespace Grid.Models.Hub;

/// <summary>A model on the hub: org/name, and a branch, tag or commit of it. The rules are the hub's own, so nothing that
/// passes can be a path that leads elsewhere.</summary>
public sealed record HubModelName
{
    /// <summary>What a name without a revision means.</summary>
    public const string DefaultRevision = "main";

    private const int MaxPartLength = 96;
    private const int MaxRevisionLength = 255;

    private static readonly SearchValues<char> s_hexDigits = SearchValues.Create("0123456789abcdef");

    private HubModelName(string repository, string revision)
    {
        Repository = repository;
        Revision = revision;
    }

    /// <summary>"org/name".</summary>
    public string Repository { get; }

    /// <summary>A branch, tag or commit.</summary>
    public string Revision { get; }

    /// <summary>Whether the revision is a full commit, whose files never change.</summary>
    public bool IsCommit => IsCommitId(Revision);

    /// <summary>Reads "org/name" or "org/name@revision"; <see cref="HubException"/> names the rule that is broken.</summary>
    /// <param name="text">The name.</param>
    /// <param name="revision">A revision given beside the name; the name must then have none, or the same.</param>
    public static HubModelName Parse(string text, string? revision = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = text.IndexOf('@', StringComparison.Ordinal);
        string repository = at < 0 ? text : text[..at];
        string? named = at < 0 ? null : text[(at + 1)..];
        if (BrokenRepositoryRule(repository) is { } rule)
        {
            throw new HubException($"'{text}' is neither an existing folder nor a model of the Hugging Face hub: {rule}.");
        }

        if (revision is not null && named is not null && revision != named)
        {
            throw new HubException($"Two revisions are asked for: '{named}' after the @ of the name, and '{revision}' beside it; give one.");
        }

        string chosen = named ?? revision ?? DefaultRevision;
        return BrokenRevisionRule(chosen) is { } broken
            ? throw new HubException($"The revision '{chosen}' of {repository} cannot exist: {broken}.")
            : new HubModelName(repository, chosen);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Repository}@{Revision}";

    /// <summary>Whether a text is a full commit: 40 lower-case hexadecimal digits.</summary>
    internal static bool IsCommitId(string? text) => text is { Length: 40 } && IsHex(text);

    /// <summary>Whether a text has lower-case hexadecimal digits only.</summary>
    internal static bool IsHex(string text) => !text.AsSpan().ContainsAnyExcept(s_hexDigits);

    private static string? BrokenRepositoryRule(string repository)
    {
        string[] parts = repository.Split('/');
        if (parts.Length != 2)
        {
            return "such a name is org/name or org/name@revision";
        }

        foreach (string part in parts)
        {
            if (part.Length is 0 or > MaxPartLength || part.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
            {
                return $"organisation and name each have 1 to {MaxPartLength} letters, digits, '-', '_' or '.'";
            }

            if (part[0] is '-' or '.' || part[^1] is '-' or '.')
            {
                return "organisation and name neither start nor end with '-' or '.'";
            }

            if (part.Contains("--", StringComparison.Ordinal) || part.Contains("..", StringComparison.Ordinal))
            {
                return "'--' and '..' are not allowed in it";
            }
        }

        return parts[1].EndsWith(".git", StringComparison.Ordinal) ? "it must not end with .git" : null;
    }

    // Git's rules for the names of branches and tags (git check-ref-format), ASCII only.
    private static string? BrokenRevisionRule(string revision)
    {
        if (revision.Length is 0 or > MaxRevisionLength)
        {
            return $"it must have 1 to {MaxRevisionLength} characters";
        }

        if (revision.Any(c => c is <= ' ' or > '~' or '~' or '^' or ':' or '?' or '*' or '[' or '\\'))
        {
            return "spaces, control characters, characters beyond ASCII and ~^:?*[\\ are not allowed in it";
        }

        if (revision.Contains("..", StringComparison.Ordinal) || revision.Contains("@{", StringComparison.Ordinal) || revision[0] == '-')
        {
            return "it must not contain '..' or '@{', or start with '-'";
        }

        bool parts = revision.Split('/').All(part =>
            part.Length > 0 && part[0] != '.' && part[^1] != '.' && !part.EndsWith(".lock", StringComparison.Ordinal));
        return parts ? null : "no part between its slashes may be empty, start or end with '.', or end with .lock";
    }
}
