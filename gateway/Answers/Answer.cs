using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Requests;
using Grid.Gateway.Running;
using Grid.Grains.Messages;

namespace Grid.Gateway.Answers;

/// <summary>How one API words its answers.</summary>
internal abstract class Answer
{
    /// <summary>The answer to a planned request.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="id">The id of its first sequence.</param>
    /// <param name="created">When the request was taken.</param>
    /// <param name="clock">Time.</param>
    public static Answer For(RequestPlan plan, Guid id, DateTimeOffset created, TimeProvider clock) => plan switch
    {
        ChatPlan chat => new ChatAnswer(chat, $"{ChatAnswer.IdPrefix}{id:N}", created),
        CompletionPlan completion => new CompletionAnswer(completion, $"{CompletionAnswer.IdPrefix}{id:N}", created),
        GeneratePlan generate => new GenerateAnswer(generate, clock),
        _ => throw new ArgumentOutOfRangeException(nameof(plan), plan, "Unknown plan."),
    };

    /// <summary>The whole answer, after every sequence has ended: yields, with what it has told of, after each.</summary>
    public abstract IEnumerable<Transcript> WriteWhole(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts);

    /// <summary>Events for an update, which the transcript has taken in already.</summary>
    public abstract void WriteUpdate(EventStream events, Transcript transcript, SequenceUpdate update);

    /// <summary>Events due once all updates at hand have been written, before the flush.</summary>
    public virtual void WritePending(EventStream events)
    {
    }

    /// <summary>The receipt of a sequence that has ended, where the request asks for it; null where it ended otherwise than by itself.</summary>
    protected static void WriteReceipt(Utf8JsonWriter json, RequestPlan plan, Transcript transcript)
    {
        if (!plan.Receipt)
        {
            return;
        }
        json.WritePropertyName("receipt");
        if (transcript.Receipt is { } receipt)
        {
            json.WriteRawValue(receipt, skipInputValidation: true);
        }
        else
        {
            json.WriteNullValue();
        }
    }

    /// <summary>Events after the last update, before the stream's end.</summary>
    public virtual void WriteEnd(EventStream events, IReadOnlyList<Transcript> transcripts)
    {
    }
}
