using Grid.Models.Operations;

namespace Grid.Determinism.Tests.Harness;

/// <summary>Equality of results as equality of bytes; a failure names the first differing coordinate and both bit
/// patterns.</summary>
internal static class Bits
{
    public static void AssertSame(SequenceResult expected, SequenceResult actual)
    {
        AssertSame("prompt", expected.Prompt, actual.Prompt);
        AssertSame("output", expected.Output, actual.Output);
        Assert.Equal(expected.Reason, actual.Reason);
    }

    public static void AssertSame(string what, IReadOnlyList<SampledToken> expected, IReadOnlyList<SampledToken> actual)
    {
        for (int i = 0; i < Math.Min(expected.Count, actual.Count); i++)
        {
            Compare($"{what}[{i}]", expected[i], actual[i]);
        }

        Assert.True(expected.Count == actual.Count, $"{what}: expected {expected.Count} tokens, got {actual.Count}.");
    }

    /// <summary>What the shorter one has equals the start of the longer one.</summary>
    public static void AssertStart(SequenceResult whole, SequenceResult start)
    {
        AssertSame("prompt", [.. whole.Prompt.Take(start.Prompt.Count)], start.Prompt);
        AssertSame("output", [.. whole.Output.Take(start.Output.Count)], start.Output);
    }

    private static void Compare(string place, SampledToken expected, SampledToken actual)
    {
        Compare($"{place}.TokenId", (uint)expected.TokenId, (uint)actual.TokenId);
        Compare($"{place}.Logprob", expected.Logprob, actual.Logprob);
        Assert.True(expected.Digest == actual.Digest, $"{place}.Digest: expected {expected.Digest}, got {actual.Digest}.");
        Compare($"{place}.Top.Length", (uint)expected.Top.Length, (uint)actual.Top.Length);
        for (int t = 0; t < expected.Top.Length; t++)
        {
            Compare($"{place}.Top[{t}].TokenId", (uint)expected.Top[t].TokenId, (uint)actual.Top[t].TokenId);
            Compare($"{place}.Top[{t}].Logprob", expected.Top[t].Logprob, actual.Top[t].Logprob);
        }
    }

    private static void Compare(string place, float expected, float actual)
    {
        uint e = BitConverter.SingleToUInt32Bits(expected);
        uint a = BitConverter.SingleToUInt32Bits(actual);
        Assert.True(e == a, $"{place}: expected 0x{e:X8} ({expected:G9}), got 0x{a:X8} ({actual:G9}).");
    }

    private static void Compare(string place, uint expected, uint actual) =>
        Assert.True(expected == actual, $"{place}: expected 0x{expected:X8} ({expected}), got 0x{actual:X8} ({actual}).");
}
