using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Grid.Text.Tokenization;

namespace Grid.Text.Tests.RealModels;

/// <summary>Ids hang on which characters count as letters, digits, white space; a runtime with newer tables would
/// change them.</summary>
public class UnicodeTests
{
    private static readonly string Everything = string.Concat(
        Enumerable.Range(0, 0x110000).Where(Rune.IsValid).Select(char.ConvertFromUtf32));

    public static TheoryData<string> Properties =>
        [.. Reference.Lines("unicode.txt.gz").Select(line => line[..line.IndexOf(' ', StringComparison.Ordinal)]).Where(name => name != "NFC")];

    [Theory]
    [MemberData(nameof(Properties))]
    public void Characters_have_the_properties_the_tokenizers_library_gives_them(string property)
    {
        var splitter = new WordSplitter([SplitPattern.Translate(property == "s" ? @"\s" : $@"\p{{{property}}}")]);
        // Characters that have the property become words of their own; those between them stay together.
        var words = new List<(int Start, int Length)>();
        splitter.Split(Everything, words);
        var found = new HashSet<int>();
        foreach ((int start, int length) in words)
        {
            if (Rune.TryGetRuneAt(Everything, start, out var rune) && rune.Utf16SequenceLength == length)
            {
                found.Add(rune.Value);
            }
        }

        string line = Reference.Lines("unicode.txt.gz").First(line => line.StartsWith(property + " ", StringComparison.Ordinal));
        HashSet<int> expected = [.. line.Split(' ')[1..].SelectMany(Points)];
        // A lone character between two that have it is a word of its own as well.
        string extra = string.Join(' ', found.Except(expected).Where(point => !IsBetween(point, expected)).Order().Select(point => $"{point:X}"));
        string missing = string.Join(' ', expected.Except(found).Order().Select(point => $"{point:X}"));
        Assert.Equal("extra: ; missing: ", $"extra: {extra}; missing: {missing}");
    }

    [Fact]
    public void Every_character_is_normalized_as_by_the_tokenizers_library()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var rune in Everything.EnumerateRunes())
        {
            hash.AppendData(Encoding.UTF8.GetBytes(CanonicalComposition.Normalize($"{rune}\u0301\u0323{rune}")));
        }

        Assert.Equal($"NFC {Convert.ToHexStringLower(hash.GetHashAndReset())}", Reference.Lines("unicode.txt.gz").Last());
    }

    private static bool IsBetween(int point, HashSet<int> points) =>
        (point == 0 || points.Contains(Before(point))) && (point == 0x10FFFF || points.Contains(After(point)));

    private static int Before(int point) => point == 0xE000 ? 0xD7FF : point - 1;

    private static int After(int point) => point == 0xD7FF ? 0xE000 : point + 1;

    private static IEnumerable<int> Points(string range)
    {
        int[] bounds = [.. range.Split('-').Select(bound => int.Parse(bound, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
        return Enumerable.Range(bounds[0], bounds[^1] - bounds[0] + 1);
    }
}
