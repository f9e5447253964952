using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Running;
using Grid.Sequences;

namespace Grid.Gateway.Answers;

/// <summary>How one API words its answers.</summary>
internal abstract class Answer
{
    /// <summary>The whole answer, after every sequence has ended.</summary>
    public abstract void WriteWhole(Utf8JsonWriter json, IReadOnlyList<Transcript> transcripts);

    /// <summary>Events for an update, which the transcript has taken in already.</summary>
    public abstract void WriteUpdate(EventStream events, Transcript transcript, SequenceUpdate update);

    /// <summary>Events due once all updates at hand have been written, before the flush.</summary>
    public virtual void WritePending(EventStream events)
    {
    }

    /// <summary>Events after the last update, before the stream's end.</summary>
    public virtual void WriteEnd(EventStream events, IReadOnlyList<Transcript> transcripts)
    {
    }
}
