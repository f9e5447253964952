using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;
using Grid.Text;

namespace Grid.Gateway.Answers;

/// <summary>Answers of /generate. Events are cumulative: each holds the answer as far as it has come.</summary>
internal sealed class GenerateAnswer(GeneratePlan plan, TimeProvider clock) : Answer
{
    private readonly long _started = clock.GetTimestamp();
    private readonly Tokenizer? _tokenizer = plan.Model.Text?.Tokenizer;
    private readonly SortedDictionary<int, Transcript> _pending = [];

    public override IEnumerable<Transcript> WriteWhole(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts)
    {
        if (!plan.IsList)
        {
            WriteItem(json, transcripts[0], withIndex: false);
            yield break;
        }
        json.WriteStartArray();
        foreach (var transcript in transcripts)
        {
            WriteItem(json, transcript, withIndex: false);
            yield return transcript;
        }
        json.WriteEndArray();
    }

    public override void WriteUpdate(EventStream events, Transcript transcript, SequenceUpdate update)
    {
        // Cumulative events need only be written once for all updates at hand.
        if (update.Tokens.Length > 0 || update.Text.Length > 0 || update.FinishReason is not null)
        {
            _pending[transcript.Index] = transcript;
        }
    }

    public override void WritePending(EventStream events)
    {
        foreach (var transcript in _pending.Values)
        {
            if (events.MoveTo(transcript.Index, transcript.Progress))
            {
                WriteItem(events.Begin(), transcript, withIndex: plan.IsList);
                events.End();
            }
        }
        _pending.Clear();
    }

    private void WriteItem(Utf8JsonWriter json, Transcript transcript, bool withIndex)
    {
        json.WriteStartObject();
        if (withIndex)
        {
            json.WriteNumber("index", transcript.Index);
        }
        if (_tokenizer is not null)
        {
            json.WriteString("text", transcript.Text);
        }
        json.WriteList("output_ids", transcript.Tokens, token => json.WriteNumberValue(token.TokenId));
        json.WriteStartObject("meta_info");
        WriteMeta(json, transcript);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void WriteMeta(Utf8JsonWriter json, Transcript transcript)
    {
        json.WriteString("id", transcript.Plan.RequestId ?? transcript.Id.ToString("N"));
        WriteFinish(json, transcript);
        json.WriteNumber("prompt_tokens", transcript.PromptTokens);
        json.WriteNumber("completion_tokens", transcript.Tokens.Count);
        json.WriteNumber("cached_tokens", transcript.CachedTokens);
        if (transcript.IsRemembered)
        {
            json.WriteBoolean("remembered", true);
        }
        json.WriteNumber("sampling_seed", Seeds.Shown(transcript.Plan.Spec.Generation.Sampling.Seed));
        json.WriteString("system_fingerprint", plan.Model.NumericsId);
        json.WriteString("weight_version", plan.Model.WeightVersion);
        if (transcript.Plan.Spec.Generation.Logprobs)
        {
            WriteLogprobs(json, transcript);
        }
        if (transcript.FinishReason is not null)
        {
            WriteReceipt(json, plan, transcript);
            json.WriteNumber("e2e_latency", clock.GetElapsedTime(_started).TotalSeconds);
        }
    }

    private static void WriteFinish(Utf8JsonWriter json, Transcript transcript)
    {
        if (transcript.FinishReason is not { } reason)
        {
            json.WriteNull("finish_reason");
            return;
        }
        json.WriteStartObject("finish_reason");
        json.WriteString("type", reason);
        if (reason == "length")
        {
            json.WriteNumber("length", transcript.Tokens.Count);
        }
        else if (reason == "abort")
        {
            json.WriteString("message", "The sequence was aborted.");
        }
        else
        {
            json.WritePropertyName("matched");
            TokenJson.WriteMatched(json, transcript.MatchedStop);
        }
        json.WriteEndObject();
    }

    private void WriteLogprobs(Utf8JsonWriter json, Transcript transcript)
    {
        var plan = transcript.Plan;
        int start = plan.Spec.Generation.PromptLogprobsFrom ?? transcript.PromptIds.Count;
        // The first has none: SGLang counts from a token whose predecessor it did not score.
        var input = transcript.PromptIds.Skip(start).Zip(transcript.PromptScores(start));
        json.WriteList("input_token_logprobs", input, token => WriteTriple(json, plan, token.First, token.Second?.Logprob));
        json.WriteList("output_token_logprobs", transcript.Tokens, token => WriteTriple(json, plan, token.TokenId, token.Logprob));
        if (plan.Spec.Generation.TopLogprobs > 0)
        {
            json.WriteList("input_top_logprobs", input, token => WriteTop(json, plan, token.Second));
            json.WriteList("output_top_logprobs", transcript.Tokens, token => WriteTop(json, plan, token));
        }
    }

    private void WriteTop(Utf8JsonWriter json, PlannedSequence plan, ScoredToken? token)
    {
        if (token is not { } scored)
        {
            json.WriteNullValue();
            return;
        }
        json.WriteStartArray();
        foreach (var (id, logprob) in scored.Top)
        {
            WriteTriple(json, plan, id, logprob);
        }
        json.WriteEndArray();
    }

    /// <summary>[logprob, id, text or null].</summary>
    private void WriteTriple(Utf8JsonWriter json, PlannedSequence plan, int id, float? logprob)
    {
        json.WriteStartArray();
        TokenJson.WriteLogprob(json, logprob);
        json.WriteNumberValue(id);
        if (plan.TextInLogprobs && _tokenizer is { } tokenizer)
        {
            TokenJson.WriteText(json, tokenizer, id);
        }
        else
        {
            json.WriteNullValue();
        }
        json.WriteEndArray();
    }
}
