using Grid.Numerics;

namespace Grid.Engine;

/// <summary>Sequences that go through all that requests go through: a prefill, decode steps of several sequences, each way to
/// draw and to score.</summary>
internal static class WarmUpRequests
{
    private const int NewTokens = 4;

    /// <summary>One round of them.</summary>
    /// <param name="promptTokens">The longest prompt.</param>
    /// <param name="most">What prompt and output of a sequence may come to; where that is too little there are none.</param>
    /// <param name="vocabulary">Token ids.</param>
    public static IEnumerable<SequenceRequest> Create(int promptTokens, int most, int vocabulary)
    {
        int longest = Math.Min(promptTokens, most - NewTokens);
        if (longest < 1)
        {
            yield break;
        }

        var greedy = Request(longest, vocabulary, new SamplingParameters { Temperature = 0 });
        yield return greedy;
        int shorter = Math.Min(longest, 2);
        yield return greedy with
        {
            Id = NewId(),
            PromptIds = greedy.PromptIds[..shorter],
            Logprobs = true,
            TopLogprobs = Math.Min(2, vocabulary),
            PromptLogprobsFrom = 0,
        };
        yield return Request(shorter, vocabulary, new SamplingParameters { TopP = 0.9f, TopK = 40, MinP = 0.01f });
        yield return Request(shorter, vocabulary, new SamplingParameters
        {
            PresencePenalty = 0.1f,
            FrequencyPenalty = 0.1f,
            RepetitionPenalty = 1.1f,
            LogitBias = [new(0, 1f)],
        });
    }

    private static SequenceRequest Request(int promptTokens, int vocabulary, SamplingParameters sampling) => new()
    {
        Id = NewId(),

        // Ordinary tokens; special ones lie at the ends of a vocabulary.
        PromptIds = [.. Enumerable.Range(0, promptTokens).Select(i => (vocabulary / 3) + (int)(i * 7919L % ((vocabulary / 3) + 1)))],
        Sampling = sampling,
        MaxNewTokens = NewTokens,
        IgnoreEndTokens = true,
        BypassesQueueLimit = true, // None is refused, however short the waiting queue is.
    };

    private static SequenceId NewId() => new(Guid.NewGuid(), 0);
}
