using Grid.Cuda.Driver;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cuda.Kernels.Sampling;

/// <summary>What one row asks; SamplingRow in the kernel's text.</summary>
internal struct SamplingRowData
{
    /// <summary>Nothing is done for the row.</summary>
    public const uint IsUnused = 2;

    /// <summary>Compute the token's logprob.</summary>
    public const uint WantsLogprob = 1;

    /// <summary>Compute the digest of the row's raw logits.</summary>
    public const uint WantsDigest = 4;

    /// <summary>32-bit words, one list after the other: bias tokens, biases (fp32), history tokens, output counts, banned tokens.</summary>
    public CUdeviceptr Lists;
    public ulong Seed;
    public long Position;

    /// <summary>ceil(min_p * 2^40)</summary>
    public ulong MinWeight;
    public int LogitRow;

    /// <summary>-1: draw.</summary>
    public int Scored;
    public float Temperature;

    /// <summary>0: all.</summary>
    public int TopK;

    /// <summary>top_p * 2^24; 2^24: all.</summary>
    public uint TopShare;
    public float Repetition;
    public float Frequency;
    public float Presence;
    public int Biases;
    public int History;

    /// <summary>As History; 0 when no penalty looks at them.</summary>
    public int Counts;
    public int Banned;
    public uint Flags;
    public int TopCount;

    /// <summary>Where its top tokens go.</summary>
    public int TopFirst;
#pragma warning disable CS0649 // Fills the structure to a multiple of its alignment, as in the kernel's text.
    public uint Unused;
#pragma warning restore CS0649

    /// <summary>Refuses a row of logits that there is not, and more most probable tokens than a cluster lists.</summary>
    public static void Require(SamplingRow row, int index, int logitRows, int vocabulary)
    {
        Require((uint)row.LogitRow < (uint)logitRows, index, nameof(row.LogitRow), row.LogitRow, "be a row of the logits, which have", logitRows);
        Require(
            row.TopLogprobs <= SamplingKernel.MaxTopTokens || vocabulary <= SamplingKernel.MaxTopTokens, index,
            nameof(row.TopLogprobs), row.TopLogprobs, "be at most", SamplingKernel.MaxTopTokens);
    }

    /// <summary>Sets the parameters of a row that draws.</summary>
    public void SetParameters(SamplingRow row)
    {
        var parameters = row.Parameters;
        Seed = parameters.Seed;
        Position = row.Position;
        Temperature = parameters.Temperature;
        TopK = parameters.TopK;
        TopShare = VocabularySum.TopPShare(parameters.TopP);
        MinWeight = VocabularySum.MinPBound(parameters.MinP);
        Repetition = parameters.RepetitionPenalty;
        Frequency = parameters.FrequencyPenalty;
        Presence = parameters.PresencePenalty;
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
