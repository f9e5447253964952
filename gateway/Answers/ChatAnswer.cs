using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Grains.Messages;

namespace Grid.Gateway.Answers;

/// <summary>Answers of /v1/chat/completions.</summary>
internal sealed class ChatAnswer(ChatPlan plan, string id, DateTimeOffset created) : OpenAiAnswer(plan, id, created)
{
    /// <summary>What ids of these answers begin with.</summary>
    public const string IdPrefix = "chatcmpl-";

    private readonly bool[] _begun = new bool[plan.Sequences.Count];

    protected override string WholeObject => "chat.completion";

    protected override string EventObject => "chat.completion.chunk";

    protected override void WriteChoice(Utf8JsonWriter json, Transcript transcript)
    {
        json.WriteStartObject();
        json.WriteNumber("index", transcript.Index);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", transcript.Text);
        json.WriteNull("refusal");
        json.WriteEndObject();
        WriteLogprobs(json, transcript.Tokens);
        WriteFinish(json, transcript);
        WriteTokenIds(json, transcript.Tokens);
        json.WriteEndObject();
    }

    protected override void WriteExtras(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts)
    {
        // As in vLLM's answers: once per answer, the prompt being the same for all choices.
        WritePromptIds(json, transcripts[0]);
        if (Plan.PromptLogprobs is { } top)
        {
            WritePromptLogprobs(json, transcripts[0], top);
        }
    }

    protected override void WriteUpdateEvents(EventStream events, Transcript transcript, SequenceUpdate update)
    {
        bool scored = (Plan.TopLogprobs is not null || Plan.ReturnTokenIds) && update.Tokens.Length > 0;
        if (!_begun[transcript.Index] && (update.Tokens.Length > 0 || update.Text.Length > 0 || update.FinishReason is not null))
        {
            _begun[transcript.Index] = true;
            events.MoveTo(transcript.Index, new SequenceProgress(0, 0, Ended: false));
            WriteDelta(events, transcript, "assistant", "", []);
        }
        if (update.Text.Length > 0 || scored)
        {
            events.MoveTo(transcript.Index, transcript.Progress with { Ended = false });
            WriteDelta(events, transcript, null, update.Text, update.Tokens);
        }
    }

    protected override void WriteEmptyDelta(Utf8JsonWriter json)
    {
        json.WriteStartObject("delta");
        json.WriteEndObject();
    }

    private void WriteDelta(EventStream events, Transcript transcript, string? role, string text, IReadOnlyList<ScoredToken> tokens)
    {
        var json = BeginEvent(events);
        json.WriteStartObject();
        json.WriteNumber("index", transcript.Index);
        json.WriteStartObject("delta");
        if (role is not null)
        {
            json.WriteString("role", role);
        }
        json.WriteString("content", text);
        json.WriteEndObject();
        if (role is null)
        {
            WriteLogprobs(json, tokens);
        }
        else
        {
            json.WriteNull("logprobs");
        }
        json.WriteNull("finish_reason");
        if (role is null)
        {
            WriteTokenIds(json, tokens);
        }
        json.WriteEndObject();
        EndEvent(events, json, transcript, role is null ? transcript.CompletionTokens : 0, withPrompt: role is not null);
    }

    private void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<ScoredToken> tokens)
    {
        if (Plan.TopLogprobs is not { } top)
        {
            json.WriteNull("logprobs");
            return;
        }
        json.WriteStartObject("logprobs");
        json.WriteList("content", tokens, token =>
        {
            WriteToken(json, token.TokenId, token.Logprob);
            json.WriteList("top_logprobs", token.Top.Take(top), one =>
            {
                WriteToken(json, one.Key, one.Value);
                json.WriteEndObject();
            });
            json.WriteEndObject();
        });
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    /// <summary>Begins an object with a token's text, logprob and bytes.</summary>
    private void WriteToken(Utf8JsonWriter json, int id, float logprob)
    {
        json.WriteStartObject();
        json.WritePropertyName("token");
        if (Plan.TokensAsIds)
        {
            json.WriteStringValue(NameOf(id));
        }
        else
        {
            TokenJson.WriteText(json, Tokenizer, id);
        }
        json.WritePropertyName("logprob");
        TokenJson.WriteLogprob(json, logprob);
        json.WriteList("bytes", TokenJson.Bytes(Tokenizer, id).ToArray(), b => json.WriteNumberValue(b));
    }
}
