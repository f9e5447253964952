using System.Numerics;
using System.Runtime.InteropServices;
using Grid.Numerics;

namespace Grid.Models.Operations;

/// <summary>What a row may ask of a sampler.</summary>
internal static class SamplingChecks
{
    /// <summary>Refuses a row whose tokens or parameters the contract does not define, before anything is launched.</summary>
    public static void Require(SamplingRow row, int index, int logitRows, int vocabulary)
    {
        Require(
            (uint)row.LogitRow < (uint)logitRows, index, nameof(row.LogitRow), row.LogitRow, "be a row of the logits, which have", logitRows);
        Require(
            row.ScoredToken < vocabulary, index, nameof(row.ScoredToken), row.ScoredToken, "be below the vocabulary's size", vocabulary);
        if (row.ScoredToken >= 0)
        {
            return;
        }

        if (row.Parameters.FindFault() is var (field, value, rule))
        {
            throw new ArgumentOutOfRangeException(
                $"rows[{index}].{field}", value, FormattableString.Invariant($"rows[{index}].{field} is {value}; it must {rule}."));
        }

        var biases = row.Parameters.LogitBias;
        for (int i = 0; i < biases.Count; i++)
        {
            int token = biases[i].TokenId;
            int least = i > 0 ? biases[i - 1].TokenId : 0;
            Require(token >= least, index, nameof(SamplingParameters.LogitBias), token, "ascend by token id, from", least);
            Require(token < vocabulary, index, nameof(SamplingParameters.LogitBias), token, "be below the vocabulary's size", vocabulary);
        }

        RequireTokens(row.BannedTokens, index, nameof(row.BannedTokens), vocabulary);
        if (row.PenalisedHistory is { } history)
        {
            RequireTokens(history.TokenSpan, index, nameof(row.History), vocabulary);
        }
    }

    // Histories are long and checked at every step, so by vectors; a negative id is a large one.
    private static void RequireTokens(ReadOnlySpan<int> tokens, int index, string field, int vocabulary)
    {
        var ids = MemoryMarshal.Cast<int, uint>(tokens);
        var most = Vector<uint>.Zero;
        int i = 0;
        for (; i <= ids.Length - Vector<uint>.Count; i += Vector<uint>.Count)
        {
            most = Vector.Max(most, new Vector<uint>(ids[i..]));
        }

        bool good = Vector.LessThanAll(most, new Vector<uint>((uint)vocabulary));
        for (; i < ids.Length; i++)
        {
            good &= ids[i] < (uint)vocabulary;
        }

        if (!good)
        {
            foreach (int token in tokens)
            {
                Require((uint)token < (uint)vocabulary, index, field, token, "name tokens from 0 to below the vocabulary's size", vocabulary);
            }
        }
    }

    private static void Require(bool holds, int index, string field, int value, string rule, int limit)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(
                $"rows[{index}].{field}", value, $"rows[{index}].{field} is {value}; it must {rule} {limit}.");
        }
    }
}
