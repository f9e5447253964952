using Grid.Numerics;
using Grid.Sequences.Routing;

namespace Grid.Sequences.Attempts;

/// <summary>
/// How long a sequence may become: settled once, when it starts, so that it ends at the same token wherever it runs.
/// A worker whose KV cache holds less runs it as far as that, and a larger one goes on.
/// </summary>
/// <param name="promptTokens">Length of the prompt.</param>
/// <param name="generation">What was asked for, with a number of new tokens.</param>
internal sealed class SequenceLength(int promptTokens, GenerationParameters generation)
{
    /// <summary>Output tokens at most.</summary>
    public int MaxNewTokens { get; } = generation.MaxNewTokens
        ?? throw new ArgumentException("MaxNewTokens is null; it must be settled.", nameof(generation));

    /// <summary>Settles a request's length by what its model's workers hold. Null, with the length, or the refusal of a request
    /// that no worker could ever take to its end.</summary>
    /// <param name="promptTokens">Length of the prompt.</param>
    /// <param name="asked">What was asked for.</param>
    /// <param name="context">Tokens of one sequence that the largest worker of the model takes.</param>
    /// <param name="modelTokens">The model's positions.</param>
    /// <param name="settled">The same with a number of new tokens.</param>
    public static Refusal? Settle(int promptTokens, GenerationParameters asked, int context, int modelTokens, out GenerationParameters settled)
    {
        settled = asked with { MaxNewTokens = asked.MaxNewTokens ?? Math.Max(1, context - promptTokens) };
        bool fills = promptTokens == context && IsScore(asked);
        if (promptTokens >= context && !fills)
        {
            return Refusal.Invalid(
                Refusal.PromptLength, promptTokens,
                $"be at most {context - 1}: the model's largest worker holds {context} tokens, and one is for output");
        }

        // The model's last position ends it, whatever was asked for.
        int most = settled.MaxNewTokens!.Value;
        if (!fills && Math.Min((long)promptTokens + most, modelTokens) > context)
        {
            return Refusal.Invalid(
                nameof(asked.MaxNewTokens), most,
                $"be at most {context - promptTokens}: the model's largest worker holds {context} tokens, and the prompt has {promptTokens}");
        }

        return asked.MinNewTokens <= most ? null : Refusal.Invalid(
            nameof(asked.MinNewTokens), asked.MinNewTokens, $"be from 0 to MaxNewTokens, which is {most}");
    }

    /// <summary>Whether a worker can give it another token.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="outputTokens">Output so far.</param>
    public bool Fits(LiveWorker worker, int outputTokens) =>
        promptTokens + outputTokens < worker.Status.Limits.MaxContextTokens + (IsScore(generation) ? 1 : 0);

    /// <summary>Whether it is the prompt's logprobs that are asked for: then the prompt may fill the context, for the one token that is drawn
    /// is never computed.</summary>
    private static bool IsScore(GenerationParameters asked) => asked is { MaxNewTokens: 1, PromptLogprobsFrom: not null };

    /// <summary>Whether the worker's KV cache ends it before its own end.</summary>
    public bool IsCutShort(LiveWorker worker) =>
        worker.Status.Limits is var limits && limits.MaxContextTokens < limits.MaxModelTokens
        && (long)promptTokens + MaxNewTokens > limits.MaxContextTokens && !IsScore(generation);

    /// <summary>What a worker is asked for: the whole, or as much as it holds. Where it is cut, tokens drawn are the same: the
    /// least number of new tokens forbids the same ones up to there.</summary>
    public GenerationParameters For(LiveWorker worker, GenerationParameters asked)
    {
        if (!IsCutShort(worker))
        {
            return asked;
        }

        int room = worker.Status.Limits.MaxContextTokens - promptTokens;
        return asked with { MaxNewTokens = room, MinNewTokens = Math.Min(asked.MinNewTokens, room) };
    }
}
