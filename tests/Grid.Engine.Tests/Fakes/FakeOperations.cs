using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Fakes;

/// <summary>The operations that the engine itself calls; those that a model calls are refused here.</summary>
internal sealed class FakeOperations() : DelegatingOperations(null)
{
    public override string DeviceDescription => "fake";

    private readonly Queue<SampledToken[]> _underWay = new();
    private SampledToken[] _drawn = [];

    /// <summary>Whether it says so of itself.</summary>
    public bool Ahead { get; init; }

    /// <summary>Steps that were given to it while the one before was under way.</summary>
    public int StepsAhead { get; private set; }

    /// <summary>Steps given to it that nobody has taken the results of.</summary>
    public int UnderWay => _underWay.Count;

    public override bool RunsAhead => Ahead;

    /// <summary>Largest group of logit rows sampled at once.</summary>
    public int LargestGroup { get; private set; }

    public override LogitsBuffer AllocateLogits(int maxRows, int width) => new FakeLogits(maxRows, width);

    public override void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        foreach (int page in pages)
        {
            ((FakeKvCache)cache).Slots.AsSpan(page * AttentionLayout.BlockTokens, AttentionLayout.BlockTokens).Clear();
        }
    }

    public override void BeginSample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows)
    {
        StepsAhead += _underWay.Count;
        Assert.True(_underWay.Count < 2, "at most two samplings are under way");
        _drawn = new SampledToken[rows.Length];
        Sample(logits, rows, _drawn);
        _underWay.Enqueue(_drawn);
    }

    public override StepTime EndSample(Span<SampledToken> results)
    {
        _underWay.Dequeue().CopyTo(results);
        return new StepTime(TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(1));
    }

    /// <summary>The token that an entry of <see cref="BatchLayout.TokenIds"/> is.</summary>
    public int TokenOf(int id) => id >= 0 ? id : Ahead ? _drawn[~id].TokenId : throw new InvalidOperationException($"No token is {id}.");

    public override void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        LargestGroup = Math.Max(LargestGroup, rows.Length);
        var buffer = (FakeLogits)logits;
        for (int i = 0; i < rows.Length; i++)
        {
            results[i] = FakeMath.Sample(buffer.Values.AsSpan(rows[i].LogitRow * buffer.Width, buffer.Width), rows[i]);
        }
    }
}
