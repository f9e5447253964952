using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>What this kernel cannot do of what a row may ask, and a row's parameters as it takes them.</summary>
internal static class SamplingParameterData
{
    /// <summary>Refuses a row of logits that there is not, and more most probable tokens than a cluster lists.</summary>
    public static void Require(SamplingRow row, int index, int logitRows, int vocabulary)
    {
        Require((uint)row.LogitRow < (uint)logitRows, index, nameof(row.LogitRow), row.LogitRow, "be a row of the logits, which have", logitRows);
        Require(
            row.TopLogprobs <= SamplingKernel.MaxTopTokens || vocabulary <= SamplingKernel.MaxTopTokens, index,
            nameof(row.TopLogprobs), row.TopLogprobs, "be at most", SamplingKernel.MaxTopTokens);
    }

    /// <summary>The parameters of a row that draws.</summary>
    public static void FillParameters(ref SamplingRowData data, SamplingRow row)
    {
        var parameters = row.Parameters;
        data.Seed = parameters.Seed;
        data.Position = row.Position;
        data.Temperature = parameters.Temperature;
        data.TopK = parameters.TopK;
        data.TopShare = VocabularySum.TopPShare(parameters.TopP);
        data.MinWeight = VocabularySum.MinPBound(parameters.MinP);
        data.Repetition = parameters.RepetitionPenalty;
        data.Frequency = parameters.FrequencyPenalty;
        data.Presence = parameters.PresencePenalty;
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
