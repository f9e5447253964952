using System.Globalization;
using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Text;

namespace Grid.Gateway.Answers;

/// <summary>What answers of both OpenAI endpoints share: the envelope, usage, and how a stream is cut into events.</summary>
internal abstract class OpenAiAnswer(OpenAiPlan plan, string id, DateTimeOffset created) : Answer
{
    protected OpenAiPlan Plan { get; } = plan;

    protected Tokenizer Tokenizer { get; } = plan.Text.Tokenizer;

    /// <summary>The object's name, whole and as an event.</summary>
    protected abstract string WholeObject { get; }

    /// <inheritdoc cref="WholeObject"/>
    protected abstract string EventObject { get; }

    public sealed override IEnumerable<Transcript> WriteWhole(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts)
    {
        json.WriteStartObject();
        WriteEnvelope(json, WholeObject);
        json.WriteStartArray("choices");
        foreach (var transcript in transcripts)
        {
            WriteChoice(json, transcript);
            yield return transcript;
        }
        json.WriteEndArray();
        WriteUsage(json, transcripts);
        WriteExtras(json, transcripts);
        json.WriteEndObject();
    }

    public sealed override void WriteUpdate(EventStream events, Transcript transcript, SequenceUpdate update)
    {
        WriteUpdateEvents(events, transcript, update);
        if (update.FinishReason is null)
        {
            return;
        }
        events.MoveTo(transcript.Index, transcript.Progress);
        var json = BeginEvent(events);
        json.WriteStartObject();
        json.WriteNumber("index", transcript.Index);
        WriteEmptyDelta(json);
        json.WriteNull("logprobs");
        WriteFinish(json, transcript);
        json.WriteEndObject();
        EndEvent(events, json, transcript, transcript.CompletionTokens);
    }

    public sealed override void WriteEnd(EventStream events, IReadOnlyList<Transcript> transcripts)
    {
        if (!Plan.IncludeUsage)
        {
            return;
        }
        events.MoveToUsage();
        var json = events.Begin();
        json.WriteStartObject();
        WriteEnvelope(json, EventObject);
        json.WriteStartArray("choices");
        json.WriteEndArray();
        WriteUsage(json, transcripts);
        json.WriteEndObject();
        events.End();
    }

    /// <summary>One choice of a whole answer.</summary>
    protected abstract void WriteChoice(Utf8JsonWriter json, Transcript transcript);

    /// <summary>Fields after usage in a whole answer.</summary>
    protected virtual void WriteExtras(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts)
    {
    }

    /// <summary>Events for an update's text and tokens.</summary>
    protected abstract void WriteUpdateEvents(EventStream events, Transcript transcript, SequenceUpdate update);

    /// <summary>What a choice of the closing event holds in place of text.</summary>
    protected abstract void WriteEmptyDelta(Utf8JsonWriter json);

    /// <summary>Begins an event, up to and into its list of choices.</summary>
    protected Utf8JsonWriter BeginEvent(EventStream events)
    {
        var json = events.Begin();
        json.WriteStartObject();
        WriteEnvelope(json, EventObject);
        json.WriteStartArray("choices");
        return json;
    }

    /// <summary>Ends an event begun with <see cref="BeginEvent"/>, which brings a sequence to so many tokens, with the prompt's ids or
    /// without.</summary>
    protected void EndEvent(EventStream events, Utf8JsonWriter json, Transcript transcript, int completionTokens, bool withPrompt = false)
    {
        json.WriteEndArray();
        if (withPrompt)
        {
            WritePromptIds(json, transcript);
        }
        if (Plan.ContinuousUsage)
        {
            WriteUsage(json, transcript.PromptTokens, transcript.CachedTokens, completionTokens, transcript.IsRemembered ? 1 : 0);
        }
        else if (Plan.IncludeUsage)
        {
            json.WriteNull("usage");
        }
        json.WriteEndObject();
        events.End();
    }

    /// <summary>finish_reason, the stop string or id that matched (as vLLM names it), and the receipt where it is asked for.</summary>
    protected void WriteFinish(Utf8JsonWriter json, Transcript transcript)
    {
        json.WriteString("finish_reason", transcript.FinishReason);
        json.WritePropertyName("stop_reason");
        TokenJson.WriteMatched(json, transcript.MatchedStop);
        WriteReceipt(json, Plan, transcript);
    }

    /// <summary>vLLM's prompt_logprobs: null for the first token, then a map from token id to its score.</summary>
    protected void WritePromptLogprobs(Utf8JsonWriter json, Transcript transcript, int top)
    {
        json.WriteList("prompt_logprobs", transcript.PromptScores(0), score => WritePromptScore(json, score, top));
    }

    /// <summary>A token as logprobs name it.</summary>
    protected string NameOf(int id) => Plan.TokensAsIds ? string.Create(CultureInfo.InvariantCulture, $"token_id:{id}") : TokenJson.Name(Tokenizer, id);

    /// <summary>vLLM's token_ids, where they are asked for.</summary>
    protected void WriteTokenIds(Utf8JsonWriter json, IReadOnlyList<ScoredToken> tokens)
    {
        if (Plan.ReturnTokenIds)
        {
            json.WriteList("token_ids", tokens, token => json.WriteNumberValue(token.TokenId));
        }
    }

    /// <summary>vLLM's prompt_token_ids, where they are asked for.</summary>
    protected void WritePromptIds(Utf8JsonWriter json, Transcript transcript)
    {
        if (Plan.ReturnTokenIds)
        {
            json.WriteList("prompt_token_ids", transcript.PromptIds, json.WriteNumberValue);
        }
    }

    private void WritePromptScore(Utf8JsonWriter json, ScoredToken? scored, int top)
    {
        if (scored is not { } score)
        {
            json.WriteNullValue();
            return;
        }
        json.WriteStartObject();
        int rankOfToken = 0;
        for (int rank = 1; rank <= score.Top.Length; rank++)
        {
            rankOfToken = score.Top[rank - 1].Key == score.TokenId ? rank : rankOfToken;
        }
        WriteRanked(json, score.TokenId, score.Logprob, rankOfToken);
        for (int rank = 1; rank <= Math.Min(top, score.Top.Length); rank++)
        {
            if (score.Top[rank - 1].Key != score.TokenId)
            {
                WriteRanked(json, score.Top[rank - 1].Key, score.Top[rank - 1].Value, rank);
            }
        }
        json.WriteEndObject();
    }

    /// <param name="json">Receives the entry.</param>
    /// <param name="id">The token.</param>
    /// <param name="logprob">Its natural-log probability.</param>
    /// <param name="rank">1 is the most probable; 0 when it is not among those reported.</param>
    private void WriteRanked(Utf8JsonWriter json, int id, float logprob, int rank)
    {
        json.WriteStartObject(id.ToString(CultureInfo.InvariantCulture));
        json.WritePropertyName("logprob");
        TokenJson.WriteLogprob(json, logprob);
        if (rank > 0)
        {
            json.WriteNumber("rank", rank);
        }
        else
        {
            json.WriteNull("rank");
        }
        json.WritePropertyName("decoded_token");
        TokenJson.WriteText(json, Tokenizer, id);
        json.WriteEndObject();
    }

    private void WriteEnvelope(Utf8JsonWriter json, string objectName)
    {
        json.WriteString("id", id);
        json.WriteString("object", objectName);
        json.WriteNumber("created", created.ToUnixTimeSeconds());
        json.WriteString("model", Plan.Model.Id);
        json.WriteString("system_fingerprint", Plan.Model.NumericsId);
        json.WriteString("weight_version", Plan.Model.WeightVersion);
        json.WriteNumber("seed", Seeds.Shown(Plan.Seed));
        if (Plan.Metadata.Count > 0)
        {
            json.WriteStartObject("metadata");
            foreach (var (key, value) in Plan.Metadata)
            {
                json.WriteString(key, value);
            }
            json.WriteEndObject();
        }
    }

    /// <summary>A prompt counts once, however many answers it gets.</summary>
    private void WriteUsage(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts)
    {
        var (prompt, cached, completion) = Usage.Of(transcripts, Plan.Prompts.Count);
        WriteUsage(json, prompt, cached, completion, transcripts.Count(transcript => transcript.IsRemembered));
    }

    private static void WriteUsage(Utf8JsonWriter json, int prompt, int cached, int completion, int remembered)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("completion_tokens", completion);
        json.WriteNumber("total_tokens", prompt + completion);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", cached);
        json.WriteEndObject();
        if (remembered > 0)
        {
            json.WriteNumber("remembered_choices", remembered);
        }
        json.WriteEndObject();
    }
}
