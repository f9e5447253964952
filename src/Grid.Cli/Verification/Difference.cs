using System.Globalization;

namespace Grid.Cli.Verification;

/// <summary>Where two answers that must be the same differ first.</summary>
/// <param name="Group">Which question it is.</param>
/// <param name="Expected">In which company the first answer was given.</param>
/// <param name="Found">In which the other was.</param>
/// <param name="Position">Token, from 0; -1 where all tokens are the same.</param>
/// <param name="What">What differs, in words with both values.</param>
/// <param name="Before">The last tokens that are the same, as text or ids.</param>
public sealed record Difference(string Group, string Expected, string Found, int Position, string What, string Before)
{
    private const int Context = 8;

    /// <summary>Finds it. The answers' digests differ.</summary>
    public static Difference Between(string group, string expectedIn, Answer expected, string foundIn, Answer found, bool asSingles)
    {
        int shared = Math.Min(expected.Tokens.Count, found.Tokens.Count);
        int at = Enumerable.Range(0, shared).FirstOrDefault(i => !Same(expected.Tokens[i], found.Tokens[i], asSingles), -1);
        string what = at >= 0 ? Describe(expected.Tokens[at], found.Tokens[at], asSingles)
            : expected.Tokens.Count != found.Tokens.Count ? Line($"{expected.Tokens.Count} tokens expected, {found.Tokens.Count} found")
            : expected.FinishReason != found.FinishReason ? $"finish reason {expected.FinishReason} expected, {found.FinishReason} found"
            : DescribeTexts(expected.Text, found.Text);
        at = at < 0 && expected.Tokens.Count != found.Tokens.Count ? shared : at;
        return new Difference(group, expectedIn, foundIn, at, what, Join(expected.Tokens.Take(Math.Max(at, 0)).TakeLast(Context)));
    }

    /// <summary>All of it, as lines.</summary>
    public IEnumerable<string> Lines()
    {
        yield return Position < 0 ? $"First difference, {Group}: {What}" : Line($"First difference, {Group}, token {Position}: {What}");
        yield return $"  expected as {Expected}";
        yield return $"  found in    {Found}";
        if (Before.Length > 0)
        {
            yield return $"  after       {Before}";
        }
    }

    private static bool Same(ScoredToken a, ScoredToken b, bool asSingles) =>
        a.Id == b.Id && a.Text == b.Text && Answer.Bits(a.Logprob, asSingles) == Answer.Bits(b.Logprob, asSingles);

    private static string Describe(ScoredToken expected, ScoredToken found, bool asSingles)
    {
        string logprobs = $"logprob {Number(expected.Logprob)} expected, {Number(found.Logprob)} found";
        return expected.Id != found.Id || expected.Text != found.Text
            ? $"{expected.Name} expected, {found.Name} found; {logprobs}"
            : $"{expected.Name}, {logprobs}{Distance(expected.Logprob, found.Logprob, asSingles)}";
    }

    private static string DescribeTexts(string expected, string found)
    {
        int at = expected.Zip(found).TakeWhile(pair => pair.First == pair.Second).Count();
        string Part(string text) => ScoredToken.Quote(text.Substring(at, Math.Min(40, text.Length - at)));
        return Line($"the texts differ from character {at} on: {Part(expected)} expected, {Part(found)} found");
    }

    /// <summary>How many fp32 numbers apart.</summary>
    private static string Distance(double? expected, double? found, bool asSingles)
    {
        if (expected is not { } a || found is not { } b)
        {
            return "";
        }

        long steps = Math.Abs((long)BitConverter.SingleToInt32Bits((float)a) - BitConverter.SingleToInt32Bits((float)b));
        return steps == 0 && !asSingles ? " (the same in fp32)" : Line($" ({steps} fp32 numbers apart)");
    }

    private static string Number(double? logprob) => logprob is { } value ? value.ToString("R", CultureInfo.InvariantCulture) : "none";

    private static string Join(IEnumerable<ScoredToken> tokens)
    {
        var list = tokens.ToList();
        return list.Count > 0 && list.TrueForAll(token => token.Text is not null)
            ? ScoredToken.Quote(string.Concat(list.Select(token => token.Text)))
            : string.Join(' ', list.Select(token => token.Name));
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
