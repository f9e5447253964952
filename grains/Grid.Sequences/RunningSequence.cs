using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Grid.Grains;

namespace Grid.Sequences;

/// <summary>
/// A sequence as its reader sees it; its grain, on the same silo, writes here. Updates pass through memory and never
/// wait for the reader: what a slow reader has not taken yet is bounded by the sequence's max_new_tokens.
/// </summary>
internal sealed class RunningSequence(Guid id, SequenceTable table) : IRunningSequence
{
    private readonly Channel<SequenceUpdate> _updates =
        Channel.CreateUnbounded<SequenceUpdate>(new() { SingleReader = true, SingleWriter = true });

    private volatile bool _ended;
    private int _disposed;

    public Guid Id { get; } = id;

    public IReadOnlyList<int> PromptIds { get; private set; } = [];

    public int CachedTokens { get; private set; }

    public int MaxNewTokens { get; private set; }

    internal ISequenceGrain? Grain { get; set; }

    public async IAsyncEnumerable<SequenceUpdate> ReadUpdatesAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _updates.Reader.WaitToReadAsync(cancellationToken))
        {
            while (_updates.Reader.TryRead(out var update))
            {
                yield return update;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        table.Remove(Id);
        if (!_ended && Grain is { } grain)
        {
            await grain.Cancel();
        }
    }

    /// <summary>Cancels what may run, without waiting for it: its grain may not answer.</summary>
    internal void Abandon()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            table.Remove(Id);
            Grain?.Cancel().Ignore();
        }
    }

    // What the grain calls.

    internal void SetPrompt(int[] promptIds, int maxNewTokens) => (PromptIds, MaxNewTokens) = (promptIds, maxNewTokens);

    internal void SetCachedTokens(int cachedTokens) => CachedTokens = cachedTokens;

    internal void Write(SequenceUpdate update)
    {
        // Ended is set first: a reader that saw the last update must not find the sequence running.
        _ended |= update.FinishReason is not null;
        _updates.Writer.TryWrite(update);
        if (_ended)
        {
            _updates.Writer.TryComplete();
        }
    }
}

/// <summary>Sequences that this silo's gateway reads, by id: where a sequence's grain finds its reader.</summary>
internal sealed class SequenceTable
{
    private readonly ConcurrentDictionary<Guid, RunningSequence> _sequences = new();

    public int Count => _sequences.Count;

    public RunningSequence Create()
    {
        var sequence = new RunningSequence(Guid.NewGuid(), this);
        _sequences[sequence.Id] = sequence;
        return sequence;
    }

    public RunningSequence? Find(Guid id) => _sequences.GetValueOrDefault(id);

    public void Remove(Guid id) => _sequences.TryRemove(id, out _);
}
