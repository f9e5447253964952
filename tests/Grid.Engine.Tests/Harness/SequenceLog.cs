using Grid.Models.Operations;

namespace Grid.Engine.Tests.Harness;

/// <summary>All that the engine told of one sequence; it insists on the order in which events may come.</summary>
internal sealed class SequenceLog(SequenceRequest request)
{
    public SequenceRequest Request { get; } = request;

    public int? CachedTokens { get; private set; }

    /// <summary>By prompt index from <see cref="FirstScored"/>.</summary>
    public List<SampledToken> PromptScores { get; } = [];

    public int FirstScored { get; private set; } = -1;

    public List<SampledToken> Tokens { get; } = [];

    public int[] TokenIds => [.. Tokens.Select(t => t.TokenId)];

    public SequenceFinished? End { get; private set; }

    public void Add(EngineEvent engineEvent)
    {
        Assert.Null(End);
        switch (engineEvent)
        {
            case SequenceStarted started:
                Assert.Null(CachedTokens);
                CachedTokens = started.CachedTokens;
                break;
            case PromptScored scored:
                Assert.NotNull(CachedTokens);
                Assert.Empty(Tokens);
                FirstScored = FirstScored < 0 ? scored.FirstIndex : FirstScored;
                Assert.Equal(FirstScored + PromptScores.Count, scored.FirstIndex);
                PromptScores.AddRange(scored.Tokens);
                break;
            case TokenGenerated token:
                Assert.NotNull(CachedTokens);
                Assert.Equal(Request.PriorOutputIds.Length + Tokens.Count, token.Index);
                Tokens.Add(token.Token);
                break;
            case SequenceFinished end:
                End = end;
                break;
        }
    }
}
