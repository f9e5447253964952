namespace Grid.Sequences;

/// <summary>Names that clients give to sequences.</summary>
public static class SequenceName
{
    /// <summary>Whether somebody means a sequence by a name: its own, or that of the list that it is a part of (name_0).</summary>
    public static bool Means(string name, string? own) =>
        own is not null && own.StartsWith(name, StringComparison.Ordinal) && (own.Length == name.Length || IsNumber(own.AsSpan(name.Length)));

    private static bool IsNumber(ReadOnlySpan<char> end)
    {
        bool isNumbered = end[0] == '_' && char.IsAsciiDigit(end[^1]);
        foreach (char c in end)
        {
            isNumbered &= c == '_' || char.IsAsciiDigit(c);
        }

        return isNumbered;
    }
}
