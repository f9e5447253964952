using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;

namespace Grid.Gateway.Answers;

/// <summary>Answers of /v1/completions.</summary>
internal sealed class CompletionAnswer(CompletionPlan plan, string id, DateTimeOffset created) : OpenAiAnswer(plan, id, created)
{
    /// <summary>What ids of these answers begin with.</summary>
    public const string IdPrefix = "cmpl-";

    private readonly TextOffsets?[] _offsets = new TextOffsets?[plan.Sequences.Count];

    protected override string WholeObject => "text_completion";

    protected override string EventObject => "text_completion";

    protected override void WriteChoice(Utf8JsonWriter json, Transcript transcript)
    {
        json.WriteStartObject();
        json.WriteNumber("index", transcript.Index);
        json.WriteString("text", plan.Echo ? PromptText(transcript) + transcript.Text : transcript.Text);
        WriteLogprobs(json, transcript, plan.Echo, transcript.Tokens);
        WriteFinish(json, transcript);
        if (Plan.PromptLogprobs is { } top)
        {
            WritePromptLogprobs(json, transcript, top);
        }
        json.WriteEndObject();
    }

    protected override void WriteUpdateEvents(EventStream events, Transcript transcript, SequenceUpdate update)
    {
        // The prompt goes first, and once its scores are complete: they come before the first output token.
        var echo = plan.Echo && _offsets[transcript.Index] is null
            && (update.Tokens.Length > 0 || update.FinishReason is not null);
        var scored = Plan.TopLogprobs is not null && update.Tokens.Length > 0;
        if (!echo && !scored && update.Text.Length == 0)
        {
            return;
        }
        events.MoveTo(transcript.Index, transcript.Progress with { Ended = false });
        var json = BeginEvent(events);
        json.WriteStartObject();
        json.WriteNumber("index", transcript.Index);
        json.WriteString("text", echo ? PromptText(transcript) + update.Text : update.Text);
        WriteLogprobs(json, transcript, echo, update.Tokens);
        json.WriteNull("finish_reason");
        json.WriteEndObject();
        EndEvent(events, json);
    }

    protected override void WriteEmptyDelta(Utf8JsonWriter json) => json.WriteString("text", "");

    private string PromptText(Transcript transcript) =>
        Plan.Prompts[transcript.Plan.PromptIndex].Text ?? Tokenizer.Decode([.. transcript.PromptIds], skipSpecialTokens: false);

    /// <summary>Whether a prompt token was put around the text, and so is not in the text that is echoed.</summary>
    private bool IsAdded(Transcript transcript, int position) =>
        transcript.Plan.Spec.AddSpecialTokens && Plan.Prompts[transcript.Plan.PromptIndex].Text is not null
        && (position < Tokenizer.AddedBefore || position >= transcript.PromptIds.Count - Tokenizer.AddedAfter);

    private void WriteLogprobs(
        Utf8JsonWriter json, Transcript transcript, bool echo, IReadOnlyList<ScoredToken> output)
    {
        var offsets = _offsets[transcript.Index] ??= new TextOffsets(Tokenizer);
        if (Plan.TopLogprobs is not { } top)
        {
            json.WriteNull("logprobs");
            return;
        }
        var tokens = new List<ScoredToken?>();
        var places = new List<int>();
        if (echo)
        {
            for (var position = 0; position < transcript.PromptIds.Count; position++)
            {
                tokens.Add(position == 0 ? null : transcript.PromptScore(position));
                places.Add(IsAdded(transcript, position) ? offsets.Unshown() : offsets.Prompt(transcript.PromptIds[position]));
            }
            offsets.EndPrompt();
        }
        var promptTokens = tokens.Count;
        foreach (var token in output)
        {
            tokens.Add(token);
            places.Add(offsets.Output(token.TokenId));
        }
        json.WriteStartObject("logprobs");
        json.WriteStartArray("tokens");
        for (var i = 0; i < tokens.Count; i++)
        {
            json.WriteStringValue(TokenJson.Name(Tokenizer, i < promptTokens ? transcript.PromptIds[i] : tokens[i]!.Value.TokenId));
        }
        json.WriteEndArray();
        WriteScores(json, tokens, top);
        json.WriteStartArray("text_offset");
        foreach (var place in places)
        {
            json.WriteNumberValue(place);
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteScores(Utf8JsonWriter json, List<ScoredToken?> tokens, int top)
    {
        json.WriteStartArray("token_logprobs");
        foreach (var token in tokens)
        {
            if (token is { } scored)
            {
                TokenJson.WriteLogprob(json, scored.Logprob);
            }
            else
            {
                json.WriteNullValue();
            }
        }
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs");
        foreach (var token in tokens)
        {
            if (token is { } scored)
            {
                WriteTop(json, scored, top);
            }
            else
            {
                json.WriteNullValue();
            }
        }
        json.WriteEndArray();
    }

    /// <summary>The most probable tokens by name, and the token itself: up to top + 1 entries, as OpenAI has it.</summary>
    private void WriteTop(Utf8JsonWriter json, ScoredToken token, int top)
    {
        json.WriteStartObject();
        var own = false;
        for (var i = 0; i < Math.Min(top, token.Top.Length); i++)
        {
            json.WritePropertyName(TokenJson.Name(Tokenizer, token.Top[i].Key));
            TokenJson.WriteLogprob(json, token.Top[i].Value);
            own |= token.Top[i].Key == token.TokenId;
        }
        if (!own)
        {
            json.WritePropertyName(TokenJson.Name(Tokenizer, token.TokenId));
            TokenJson.WriteLogprob(json, token.Logprob);
        }
        json.WriteEndObject();
    }
}
