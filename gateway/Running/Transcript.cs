using System.Text;
using Grid.Gateway.Caching;
using Grid.Gateway.Requests;
using Grid.Gateway.Resuming;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Running;

/// <summary>What one sequence of a request has said so far.</summary>
/// <param name="index">Place in the request's answers.</param>
/// <param name="plan">What was planned.</param>
/// <param name="known">What the client had before it resumed.</param>
internal sealed class Transcript(int index, PlannedSequence plan, SequenceProgress known)
{
    private readonly StringBuilder _text = new();
    private readonly List<ScoredToken> _tokens = [];
    private readonly SortedDictionary<int, ScoredToken> _promptScores = [];

    /// <summary>Place in the request's answers.</summary>
    public int Index => index;

    public PlannedSequence Plan => plan;

    /// <summary>The sequence; null when it need not run, for the client had its end before it resumed.</summary>
    public IRunningSequence? Running { private get; set; }

    public Guid Id => plan.PublicId ?? Running!.Id;

    public IReadOnlyList<int> PromptIds => Running?.PromptIds ?? [];

    public int PromptTokens => Running?.PromptIds.Count ?? plan.KnownPromptTokens;

    /// <summary>Output tokens at most, as the sequence runs with them; null when it need not run.</summary>
    public int? MaxNewTokens => Running?.MaxNewTokens;

    /// <summary>Output tokens that have come from its sequence, taken in or not.</summary>
    public int ToldTokens { get; set; }

    /// <summary>Whether the answer was remembered.</summary>
    public bool IsRemembered => Running is AnswerReader { IsRemembered: true };

    public int CachedTokens => Running?.CachedTokens ?? 0;

    /// <summary>Output tokens, those included that the client had before it resumed.</summary>
    public int CompletionTokens => Running is null ? known.Tokens : _tokens.Count;

    /// <summary>Whether all of it was said before.</summary>
    public bool IsKnown => Running is null;

    /// <summary>How far it has been told, once an event has told all it has said so far.</summary>
    public SequenceProgress Progress => new(_tokens.Count, _text.Length, FinishReason is not null);

    public string Text => _text.ToString();

    /// <summary>Output tokens, the stop token included.</summary>
    public IReadOnlyList<ScoredToken> Tokens => _tokens;

    public string? FinishReason { get; private set; }

    /// <summary>Stop string or stop token id that ended it.</summary>
    public object? MatchedStop { get; private set; }

    /// <summary>The receipt's JSON, once it has ended and where it has one.</summary>
    public byte[]? Receipt { get; set; }

    /// <summary>The scores of prompt tokens from one on; that one has none itself, for nothing is known of what comes before it.</summary>
    public IEnumerable<ScoredToken?> PromptScores(int from) => Enumerable.Range(from, PromptIds.Count - from)
        .Select(position => position > from && _promptScores.TryGetValue(position, out var score) ? score : (ScoredToken?)null);

    /// <summary>Takes in an update.</summary>
    public void Apply(SequenceUpdate update)
    {
        for (int i = 0; i < update.PromptTokens.Length; i++)
        {
            _promptScores[update.PromptFirstIndex + i] = update.PromptTokens[i];
        }
        _text.Append(update.Text);
        _tokens.AddRange(update.Tokens);
        FinishReason = update.FinishReason ?? FinishReason;
        MatchedStop = update.MatchedStop ?? MatchedStop;
    }
}
