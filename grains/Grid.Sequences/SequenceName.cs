namespace Grid.Sequences;

/// <summary>Names that clients give to sequences.</summary>
public static class SequenceName
{
    /// <summary>Whether somebody means a sequence by a name: its own, or that of the list that it is a part of (name_0).</summary>
    /// <param name="name">What he says.</param>
    /// <param name="own">What the sequence is called.</param>
    /// <param name="isPrefix">Whether he means all whose names begin so.</param>
    public static bool Means(string name, string? own, bool isPrefix) =>
        own is not null && own.StartsWith(name, StringComparison.Ordinal) && (isPrefix || own.Length == name.Length || IsNumber(own.AsSpan(name.Length)));

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
