using System.Text;
using Tokenizer = Grid.Text.Tokenizer;

namespace Grid.Benchmarks;

/// <summary>Texts of 2 MB out of a vocabulary's own words, common ones more often, as in real text: a few repeated
/// sentences would only show how fast the cache of words is.</summary>
internal static class BenchmarkTexts
{
    private const int Characters = 2_000_000;

    public static IEnumerable<(string Name, string Text)> Make(Tokenizer tokenizer)
    {
        string[] tokens = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => tokenizer.Decode([id], skipSpecialTokens: true))];
        string[] latin = Words(tokens, c => char.IsAsciiLetter(c));
        string[] cyrillic = Words(tokens, c => c is >= '\u0430' and <= '\u044F');
        string[] han = [.. tokens.Where(token => token.Length > 0 && token.All(c => c is >= '\u4E00' and <= '\u9FFF'))];
        string[] kana = [.. tokens.Where(token => token.Length > 0 && token.All(c => c is >= '\u3041' and <= '\u30FE'))];
        yield return ("English", Prose(latin, 1));
        yield return ("code", Code(latin));
        yield return ("Chinese", Unspaced(han, han, "\uFF0C\u3002\u3001", 3));
        yield return ("Russian", Prose(cyrillic, 4));
        yield return ("Japanese", Unspaced(han, kana, "\u3001\u3002", 5));
    }

    private static string[] Words(string[] tokens, Func<char, bool> isLetter) =>
        [.. tokens.Where(token => token.Length > 1 && token[0] == ' ' && token.Skip(1).All(isLetter)).Select(token => token[1..])];

    private static string Prose(string[] words, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        while (text.Length < Characters)
        {
            text.Append(Draw(random, words)).Append(random.Next(6) == 0 ? Draw(random, words) : "");
            text.Append(random.Next(40) switch { 0 => ".\n\n", < 3 => ". ", < 6 => ", ", 6 => $" {random.Next(10_000)} ", 7 => "'s ", _ => " " });
        }

        return text.ToString();
    }

    private static string Code(string[] words)
    {
        var random = new Random(2);
        var text = new StringBuilder();
        string[] forms =
            ["if ({0}.{1} == null) {{", "return {0}{1}({2}, {3});", "var {0}_{1} = new {2}<{3}>();", "// {0} {1} {2}", "{0}[{1} + {4}] = \"{2}\";", "}}", "for (int {0} = {4}; {0} < {1}; {0}++)", ""];
        while (text.Length < Characters)
        {
            object[] parts = [Draw(random, words), Draw(random, words), Draw(random, words), Draw(random, words), random.Next(300)];
            text.Append(' ', 4 * random.Next(5)).AppendFormat(System.Globalization.CultureInfo.InvariantCulture, forms[random.Next(forms.Length)], parts).Append('\n');
        }

        return text.ToString();
    }

    private static string Unspaced(string[] first, string[] second, string marks, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        while (text.Length < Characters / 3)
        {
            for (int words = random.Next(3, 12); words > 0; words--)
            {
                text.Append(Draw(random, random.Next(2) == 0 ? first : second));
            }

            text.Append(marks[random.Next(marks.Length)]);
        }

        return text.ToString();
    }

    /// <summary>Early words of a vocabulary are the common ones: each is drawn about as often as its place's inverse.</summary>
    private static string Draw(Random random, string[] words) => words[(int)Math.Pow(words.Length, random.NextDouble()) - 1];
}
