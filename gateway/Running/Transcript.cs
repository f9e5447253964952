using System.Text;
using Grid.Gateway.Requests;
using Grid.Sequences;

namespace Grid.Gateway.Running;

/// <summary>What one sequence of a request has said so far.</summary>
internal sealed class Transcript(int index, PlannedSequence plan, IRunningSequence running)
{
    private readonly StringBuilder _text = new();
    private readonly List<ScoredToken> _tokens = [];
    private readonly SortedDictionary<int, ScoredToken> _promptScores = [];

    /// <summary>Place in the request's answers.</summary>
    public int Index { get; } = index;

    public PlannedSequence Plan { get; } = plan;

    public Guid Id => running.Id;

    public IReadOnlyList<int> PromptIds => running.PromptIds;

    public int CachedTokens => running.CachedTokens;

    public string Text => _text.ToString();

    /// <summary>Output tokens, the stop token included.</summary>
    public IReadOnlyList<ScoredToken> Tokens => _tokens;

    public string? FinishReason { get; private set; }

    /// <summary>Stop string or stop token id that ended it.</summary>
    public object? MatchedStop { get; private set; }

    /// <summary>The score of a prompt token, or null: the first token has none.</summary>
    public ScoredToken? PromptScore(int promptIndex) =>
        _promptScores.TryGetValue(promptIndex, out var score) ? score : null;

    /// <summary>Takes in an update.</summary>
    public void Apply(SequenceUpdate update)
    {
        for (var i = 0; i < update.PromptTokens.Count; i++)
        {
            _promptScores[update.PromptFirstIndex + i] = update.PromptTokens[i];
        }
        _text.Append(update.Text);
        _tokens.AddRange(update.Tokens);
        FinishReason = update.FinishReason ?? FinishReason;
        MatchedStop = update.MatchedStop ?? MatchedStop;
    }
}
