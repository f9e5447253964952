using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Grains.Tests.Support;

/// <summary>A running sequence whose updates are kept until a test reads them.</summary>
internal sealed class TestSequence(IRunningSequence running, ChannelReader<SequenceUpdate> updates) : IAsyncDisposable
{
    public Guid Id => running.Id;

    public IReadOnlyList<int> PromptIds => running.PromptIds;

    public int MaxNewTokens => running.MaxNewTokens;

    public int CachedTokens => running.CachedTokens;

    public IAsyncEnumerable<SequenceUpdate> ReadUpdatesAsync(CancellationToken cancellationToken) => updates.ReadAllAsync(cancellationToken);

    public ValueTask DisposeAsync() => running.DisposeAsync();
}

internal static class TestSequences
{
    public static async Task<TestSequence> StartAsync(this ISequenceService service, SequenceSpec spec, CancellationToken cancellationToken)
    {
        var updates = Channel.CreateUnbounded<SequenceUpdate>();
        var running = await service.StartAsync(spec, Take, cancellationToken);
        return new TestSequence(running, updates.Reader);

        void Take(IRunningSequence sequence, SequenceUpdate update)
        {
            Assert.True(updates.Writer.TryWrite(update));
            if (update.IsLast)
            {
                updates.Writer.Complete();
            }
        }
    }
}
