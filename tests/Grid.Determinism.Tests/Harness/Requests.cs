using Grid.Engine;
using Grid.Numerics;

namespace Grid.Determinism.Tests.Harness;

/// <summary>Requests that differ in everything a request can differ in, each a function of its number.</summary>
internal static class Requests
{
    private const int OrdinaryTokens = 4000;

    /// <summary>A prompt of ordinary tokens; another salt gives another prompt from the first token on.</summary>
    public static int[] Prompt(int length, int salt, int tokens = OrdinaryTokens)
    {
        Random random = new((salt * 7919) + 1);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(tokens))];
    }

    /// <summary>A request with a fixed output length that reports every bit it can.</summary>
    public static SequenceRequest Make(int[] prompt, int outputs, SamplingParameters sampling) => new()
    {
        Id = default,
        PromptIds = prompt,
        MaxNewTokens = outputs,
        Sampling = sampling,
        IgnoreEndTokens = true,
        Logprobs = true,
        TopLogprobs = 3,
        Digests = true,
        PromptLogprobsFrom = 0,
    };

    /// <summary>Request number i of a crowd: other lengths, parameters and seeds than its neighbours'.</summary>
    public static SequenceRequest Varied(int i, int maxPrompt = 90, int maxOutput = 20, int tokens = OrdinaryTokens) => new()
    {
        Id = default,
        PromptIds = Prompt(1 + ((i * 37) % maxPrompt), i, tokens),
        MaxNewTokens = 1 + ((i * 11) % maxOutput),
        IgnoreEndTokens = i % 3 != 0,
        Sampling = Sampling(i),
        Logprobs = i % 2 == 0,
        TopLogprobs = i % 2 == 0 ? i % 5 : 0,
        Digests = i % 3 == 0,
        PromptLogprobsFrom = i % 4 == 0 ? 0 : null,
    };

    /// <summary>Parameters number i.</summary>
    public static SamplingParameters Sampling(int i) => (i % 6) switch
    {
        0 => new() { Temperature = 0f },
        1 => new() { Seed = (ulong)i },
        2 => new() { Seed = (ulong)i, Temperature = 1.4f, TopP = 0.9f, PresencePenalty = 0.7f, FrequencyPenalty = 0.3f },
        3 => new() { Seed = (ulong)i, Temperature = 0.8f, TopK = 40, RepetitionPenalty = 1.2f },
        4 => new() { Seed = (ulong)i, MinP = 0.02f, LogitBias = [new LogitBias(100 + (i % 200), 6f), new LogitBias(300, -4f)] },
        _ => new() { Temperature = 0f, FrequencyPenalty = 1.1f, RepetitionPenalty = 1.3f },
    };
}
