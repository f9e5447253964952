using Grid.Engine.Sequences;
using Grid.Models;
using Grid.Numerics;

namespace Grid.Engine.Admission;

/// <summary>Refuses a request that cannot run on this model and these pages: a <see cref="RefusedException"/> names field, value
/// and rule.</summary>
internal sealed class RequestValidator(ModelConfig model, int kvPages)
{
    /// <summary>Most probable tokens reported with a logprob, at most.</summary>
    public const int MaxTopLogprobs = 100;

    private int Vocabulary => model.VocabularySize;

    public void Validate(SequenceRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        CheckTokens(request);
        CheckLengths(request);
        CheckEnding(request);
        CheckLogprobs(request);
        CheckSampling(request.Sampling ?? throw Refuse(nameof(request.Sampling), null, "be given"));
        CheckPages(request);
    }

    private void CheckTokens(SequenceRequest request)
    {
        CheckIds(nameof(request.PromptIds), request.PromptIds);
        CheckIds(nameof(request.PriorOutputIds), request.PriorOutputIds);
        CheckIds(nameof(request.ExpectedOutputIds), request.ExpectedOutputIds);
        CheckIds(nameof(request.StopTokenIds), request.StopTokenIds);
        Require(request.PromptIds.Length > 0, nameof(request.PromptIds), "empty", "hold at least one token");
    }

    private void CheckIds(string field, int[]? ids)
    {
        if (ids is null)
        {
            throw Refuse(field, null, "be an array of token ids");
        }

        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)Vocabulary)
            {
                throw Refuse(field, ids[i], $"be a token id from 0 to {Vocabulary - 1}", i);
            }
        }
    }

    private void CheckLengths(SequenceRequest request)
    {
        int prompt = request.PromptIds.Length;
        int prior = request.PriorOutputIds.Length;
        // The last token drawn is never computed: for its scores, a prompt may fill all positions.
        int most = request.MaxNewTokens == 1 && request.PromptLogprobsFrom is not null ? model.MaxPositions : model.MaxPositions - 1;
        Require(
            prompt <= most, Refusal.PromptLength, prompt,
            $"be at most {model.MaxPositions - 1}: the model has {model.MaxPositions} positions and one is for output");
        Require(request.MaxNewTokens is not null, nameof(request.MaxNewTokens), null, "be a number: the sequence's gateway settles it");
        Require(request.MaxNewTokens >= 1, nameof(request.MaxNewTokens), request.MaxNewTokens, "be at least 1");
        Require(
            prior < request.MaxNewTokens, "PriorOutputIds.Length", prior,
            $"be less than MaxNewTokens, which is {request.MaxNewTokens}");
        Require(
            prompt + (long)prior <= most, "PriorOutputIds.Length", prior,
            $"be at most {model.MaxPositions - 1 - prompt}: with {prompt} prompt tokens, one of {model.MaxPositions} positions is for output");
        Require(
            prior + (long)request.ExpectedOutputIds.Length <= request.MaxNewTokens, "ExpectedOutputIds.Length", request.ExpectedOutputIds.Length,
            $"be at most {request.MaxNewTokens - prior}: {prior} of MaxNewTokens, which is {request.MaxNewTokens}, are there already");
        Require(
            request.MinNewTokens >= 0 && request.MinNewTokens <= request.MaxNewTokens, nameof(request.MinNewTokens),
            request.MinNewTokens, $"be from 0 to MaxNewTokens, which is {request.MaxNewTokens}");
    }

    private void CheckEnding(SequenceRequest request)
    {
        if (request.MinNewTokens > 0)
        {
            int ending = Sequence.EndingIdsOf(request, model.EndTokenIds).Length;
            Require(
                ending < Vocabulary, nameof(request.MinNewTokens), request.MinNewTokens,
                "be 0 when every token of the vocabulary ends the sequence");
        }
    }

    private void CheckLogprobs(SequenceRequest request)
    {
        int limit = Math.Min(MaxTopLogprobs, Vocabulary);
        Require(
            request.TopLogprobs >= 0 && request.TopLogprobs <= limit, nameof(request.TopLogprobs), request.TopLogprobs,
            $"be from 0 to {limit}");
        Require(
            request.TopLogprobs == 0 || request.Logprobs || request.PromptLogprobsFrom is not null,
            nameof(request.TopLogprobs), request.TopLogprobs, "be 0 unless Logprobs or PromptLogprobsFrom asks for logprobs");
        if (request.PromptLogprobsFrom is { } from)
        {
            int prompt = request.PromptIds.Length;
            Require(
                from >= 0 && from <= prompt, nameof(request.PromptLogprobsFrom), from,
                $"be a prompt index from 0 to {prompt} ({prompt} scores nothing)");
        }
    }

    private void CheckSampling(SamplingParameters p)
    {
        if (p.FindFault() is var (field, value, rule))
        {
            throw Refuse(field, value, rule);
        }

        CheckLogitBias(p.LogitBias ?? throw Refuse(nameof(p.LogitBias), null, "be a list; empty is off"));
    }

    private void CheckLogitBias(IReadOnlyList<LogitBias> biases)
    {
        for (int i = 0; i < biases.Count; i++)
        {
            var bias = biases[i];
            Require(
                (uint)bias.TokenId < (uint)Vocabulary, Refusal.BiasedToken, bias.TokenId,
                $"be a token id from 0 to {Vocabulary - 1}", i);
            Require(
                i == 0 || biases[i - 1].TokenId < bias.TokenId, Refusal.BiasedToken, bias.TokenId,
                "be above the one before it: biases ascend by token id, one each", i);
            Require(MathF.Abs(bias.Bias) <= 100f, "LogitBias.Bias", bias.Bias, "be from -100 to 100", i);
        }
    }

    private void CheckPages(SequenceRequest request)
    {
        // The last token is reported, never computed.
        int limit = Sequence.LengthLimitOf(request, model.MaxPositions);
        int pages = Sequence.PagesFor(limit - 1);
        Require(
            pages <= kvPages, nameof(request.MaxNewTokens), request.MaxNewTokens,
            $"let prompt and output ({limit} tokens, {pages} pages) fit in this worker's {kvPages} KV pages of {AttentionLayout.BlockTokens} tokens");
    }

    private static void Require(bool holds, string field, object? value, string rule, int? index = null)
    {
        if (!holds)
        {
            throw Refuse(field, value, rule, index);
        }
    }

    /// <summary>The refusal of a field's value.</summary>
    public static RefusedException Refuse(string field, object? value, string rule, int? index = null) =>
        new(Refusal.Invalid(field, value, rule, index));
}
