using System.Runtime.InteropServices;
using Grid.Determinism.Tests.Harness;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>What rows are asked for, each a function of its number.</summary>
internal static class SamplingRows
{
    /// <summary>Number i: every fifth is scored, the others draw by all kinds of parameters.</summary>
    public static SamplingRow Varied(int number, int logitRow, int vocabulary)
    {
        bool scored = number % 5 == 4;
        return new SamplingRow
        {
            LogitRow = logitRow,
            Position = number + 3,
            Parameters = Requests.Sampling(number),
            History = scored ? null : History(number, vocabulary),
            BannedTokens = !scored && number % 7 == 0 ? [1, 2, 40 + (number % 50)] : [],
            ScoredToken = scored ? number * 13 % vocabulary : -1,
            Logprobs = scored || number % 2 == 0,
            TopLogprobs = number % 2 == 0 ? number % 6 : 0,
        };
    }

    /// <summary>Every bit of what a row gave.</summary>
    public static byte[] Encode(SampledToken token)
    {
        int[] words =
        [
            token.NonFinite ? 1 : 0, token.TokenId, BitConverter.SingleToInt32Bits(token.Logprob), token.Top.Length,
            .. token.Top.SelectMany(top => (int[])[top.TokenId, BitConverter.SingleToInt32Bits(top.Logprob)]),
        ];
        return MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
    }

    private static TokenHistory History(int number, int vocabulary)
    {
        var history = new TokenHistory();
        for (int i = 0; i < number % 90; i++)
        {
            history.AddPrompt(((number * 31) + (i * 17)) % vocabulary);
        }

        for (int i = 0; i < number % 40; i++)
        {
            history.AddOutput(((number * 7) + (i * i)) % vocabulary);
        }

        return history;
    }
}
