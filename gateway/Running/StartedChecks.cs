using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Sequences;

namespace Grid.Gateway.Running;

/// <summary>Checks that need the length of a prompt in tokens, which is known once its sequence has started.</summary>
internal static class StartedChecks
{
    /// <summary>Refuses an output that was asked for by number and that the context cannot hold, and prompt logprobs
    /// from beyond the prompt. Throws <see cref="ApiException"/>.</summary>
    public static void RequireRoom(RequestPlan plan, PlannedSequence sequence, int promptTokens)
    {
        var context = plan.Model.MaxContextTokens;
        if (sequence.AskedTokens is { } asked && (long)promptTokens + asked > context)
        {
            var field = plan.FieldOf(nameof(SequenceSpec.MaxNewTokens), sequence.PromptIndex)!;
            throw ApiErrors.Invalid(field, ApiErrors.ContextLengthExceeded,
                $"'{field}' is {asked}; it must be at most {context - promptTokens}: the model's context is {context} tokens and the prompt has {promptTokens}.");
        }
        if (sequence.Spec.PromptLogprobsFrom is { } from && from >= promptTokens)
        {
            throw ApiErrors.WrongValue(plan.FieldOf(nameof(SequenceSpec.PromptLogprobsFrom), sequence.PromptIndex)!,
                $"{from}", $"below the number of prompt tokens ({promptTokens})");
        }
    }
}
