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
        WriteTokenIds(json, transcript.Tokens);
        WritePromptIds(json, transcript);
        if (Plan.PromptLogprobs is { } top)
        {
            WritePromptLogprobs(json, transcript, top);
        }
        json.WriteEndObject();
    }

    protected override void WriteUpdateEvents(EventStream events, Transcript transcript, SequenceUpdate update)
    {
        // The prompt goes first, and once its scores are complete: they come before the first output token.
        bool echo = plan.Echo && _offsets[transcript.Index] is null
            && (update.Tokens.Length > 0 || update.FinishReason is not null);
        bool scored = (Plan.TopLogprobs is not null || Plan.ReturnTokenIds) && update.Tokens.Length > 0;
        bool first = _offsets[transcript.Index] is null;
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
        WriteTokenIds(json, update.Tokens);
        if (first)
        {
            WritePromptIds(json, transcript);
        }
        json.WriteEndObject();
        EndEvent(events, json, transcript, transcript.CompletionTokens);
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
        var offsets = _offsets[transcript.Index] ??= new TextOffsets(Tokenizer, transcript.Plan.Spec.ShowsSpecialTokens);
        if (Plan.TopLogprobs is not { } top)
        {
            json.WriteNull("logprobs");
            return;
        }
        var ids = new List<int>();
        var places = new List<int>();
        var scores = new List<ScoredToken?>();
        if (echo)
        {
            ids.AddRange(transcript.PromptIds);
            places.AddRange(ids.Select((id, position) => IsAdded(transcript, position) ? offsets.Unshown() : offsets.Prompt(id)));
            offsets.EndPrompt();
            scores.AddRange(transcript.PromptScores(0));
        }
        foreach (var token in output)
        {
            ids.Add(token.TokenId);
            places.Add(offsets.Output(token.TokenId));
            scores.Add(token);
        }
        json.WriteStartObject("logprobs");
        json.WriteList("tokens", ids, id => json.WriteStringValue(NameOf(id)));
        json.WriteList("token_logprobs", scores, score => TokenJson.WriteLogprob(json, score?.Logprob));
        json.WriteList("top_logprobs", scores, score => WriteTop(json, score, top));
        json.WriteList("text_offset", places, json.WriteNumberValue);
        json.WriteEndObject();
    }

    /// <summary>The most probable tokens by name, and the token itself: up to top + 1 entries, as OpenAI has it.</summary>
    private void WriteTop(Utf8JsonWriter json, ScoredToken? scored, int top)
    {
        if (scored is not { } token)
        {
            json.WriteNullValue();
            return;
        }
        json.WriteStartObject();
        bool own = false;
        for (int i = 0; i < Math.Min(top, token.Top.Length); i++)
        {
            json.WritePropertyName(NameOf(token.Top[i].Key));
            TokenJson.WriteLogprob(json, token.Top[i].Value);
            own |= token.Top[i].Key == token.TokenId;
        }
        if (!own)
        {
            json.WritePropertyName(NameOf(token.TokenId));
            TokenJson.WriteLogprob(json, token.Logprob);
        }
        json.WriteEndObject();
    }
}
