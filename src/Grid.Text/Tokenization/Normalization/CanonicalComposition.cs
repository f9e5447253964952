using System.Buffers;
using System.Globalization;
using System.Text;

namespace Grid.Text.Tokenization;

/// <summary>Unicode normalization form C. Own code, because <see cref="string.Normalize()"/> returns its input unchanged
/// where globalization is invariant, as it is in all of Grid (no ICU on a bare machine), and because token ids must not
/// depend on the Unicode version of the machine. Algorithm: Unicode Standard, section 3.11; tables: nfc.txt.</summary>
internal static class CanonicalComposition
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28;
    private const int HangulCount = LeadCount * VowelCount * TailCount;

    private static readonly Dictionary<int, int[]> Decompositions = [];
    private static readonly Dictionary<(int First, int Second), int> Compositions = [];
    private static readonly Dictionary<int, byte> Classes = [];

    // Characters that may make a text differ from its NFC; a text without them is left alone.
    private static readonly SearchValues<char> Suspects = ReadTables();

    /// <summary>The text in form C; the same instance where nothing changes. The text must be well-formed UTF-16.</summary>
    public static string Normalize(string text)
    {
        if (!text.AsSpan().ContainsAny(Suspects))
        {
            return text;
        }

        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, points);
        }

        Reorder(points);
        Compose(points);
        var result = new StringBuilder(text.Length);
        foreach (int point in points)
        {
            AppendPoint(result, point);
        }

        return result.Equals(text) ? text : result.ToString();
    }

    private static void AppendPoint(StringBuilder text, int point)
    {
        if (point < 0x10000)
        {
            text.Append((char)point);
            return;
        }

        text.Append((char)(0xD800 + ((point - 0x10000) >> 10))).Append((char)(0xDC00 + ((point - 0x10000) & 0x3FF)));
    }

    private static void Decompose(int point, List<int> into)
    {
        if ((uint)(point - HangulBase) < HangulCount)
        {
            int index = point - HangulBase;
            into.Add(LeadBase + (index / (VowelCount * TailCount)));
            into.Add(VowelBase + (index % (VowelCount * TailCount) / TailCount));
            if (index % TailCount != 0)
            {
                into.Add(TailBase + (index % TailCount));
            }
        }
        else if (Decompositions.TryGetValue(point, out int[]? parts))
        {
            foreach (int part in parts)
            {
                Decompose(part, into);
            }
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Sorts each run of combining marks by combining class, keeping the order of equals.</summary>
    private static void Reorder(List<int> points)
    {
        for (int start = 0; start < points.Count; start++)
        {
            if (ClassOf(points[start]) == 0)
            {
                continue;
            }

            int end = start + 1;
            while (end < points.Count && ClassOf(points[end]) != 0)
            {
                end++;
            }

            if (end - start > 1)
            {
                int[] sorted = [.. points[start..end].OrderBy(ClassOf)];
                for (int i = 0; i < sorted.Length; i++)
                {
                    points[start + i] = sorted[i];
                }
            }

            start = end;
        }
    }

    private static void Compose(List<int> points)
    {
        int starter = -1, kept = 0, lastClass = 0;
        for (int i = 0; i < points.Count; i++)
        {
            int point = points[i];
            int combining = ClassOf(point);
            bool adjacent = starter == kept - 1;
            bool blocked = !adjacent && lastClass >= combining;
            if (starter >= 0 && !blocked && TryCompose(points[starter], point, out int composed))
            {
                points[starter] = composed;
                continue;
            }

            points[kept] = point;
            if (combining == 0)
            {
                starter = kept;
            }

            lastClass = combining;
            kept++;
        }

        points.RemoveRange(kept, points.Count - kept);
    }

    private static bool TryCompose(int first, int second, out int composed)
    {
        if ((uint)(first - LeadBase) < LeadCount && (uint)(second - VowelBase) < VowelCount)
        {
            composed = HangulBase + ((((first - LeadBase) * VowelCount) + second - VowelBase) * TailCount);
            return true;
        }

        if ((uint)(first - HangulBase) < HangulCount && (first - HangulBase) % TailCount == 0
            && second > TailBase && second < TailBase + TailCount)
        {
            composed = first + second - TailBase;
            return true;
        }

        return Compositions.TryGetValue((first, second), out composed);
    }

    private static int ClassOf(int point) => point < 0x300 ? 0 : Classes.GetValueOrDefault(point);

    private static SearchValues<char> ReadTables()
    {
        using var stream = typeof(CanonicalComposition).Assembly.GetManifestResourceStream("Grid.Text.nfc.txt")
            ?? throw new InvalidOperationException("The assembly lacks its resource Grid.Text.nfc.txt.");
        using var reader = new StreamReader(stream);
        var suspects = new HashSet<char>();
        while (reader.ReadLine() is { } line)
        {
            string[] fields = line.Split(' ');
            if (fields[0] == "D")
            {
                AddDecomposition(fields, suspects);
            }
            else if (fields[0] == "C")
            {
                for (int point = Hex(fields[1]); point <= Hex(fields[2]); point++)
                {
                    Classes[point] = byte.Parse(fields[3], CultureInfo.InvariantCulture);
                    Suspect(suspects, point);
                }
            }
        }

        for (int jamo = VowelBase; jamo < TailBase + TailCount; jamo++)
        {
            suspects.Add((char)jamo);
        }

        return SearchValues.Create([.. suspects]);
    }

    private static void AddDecomposition(string[] fields, HashSet<char> suspects)
    {
        int point = Hex(fields[1]);
        bool excluded = fields[^1] == "!";
        int[] parts = [.. fields[2..(excluded ? ^1 : ^0)].Select(Hex)];
        Decompositions[point] = parts;
        if (excluded)
        {
            Suspect(suspects, point);
        }
        else
        {
            Compositions[(parts[0], parts[1])] = point;
            Suspect(suspects, parts[1]);
        }
    }

    /// <summary>A code point outside the basic plane is suspected by its high surrogate.</summary>
    private static void Suspect(HashSet<char> suspects, int point) =>
        suspects.Add(point < 0x10000 ? (char)point : (char)(0xD800 + ((point - 0x10000) >> 10)));

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
