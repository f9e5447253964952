using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Engine.Tests.Fakes;

/// <summary>The operations that the engine itself calls; those that a model calls are refused here.</summary>
internal sealed class FakeOperations() : DelegatingOperations(null)
{
    public override string DeviceDescription => "fake";

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
