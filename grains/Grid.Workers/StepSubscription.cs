using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Workers;

/// <summary>
/// One gateway's step stream on one worker. The device's thread adds a step's events and publishes them as one batch;
/// it never waits for the reader. The channel has no bound of its own: a reader that stays away is ended by
/// <see cref="DeviceWorker"/> after the grace time.
/// </summary>
public sealed class StepSubscription : IDisposable
{
    private readonly Channel<StepBatch> _channel = Channel.CreateUnbounded<StepBatch>(new() { SingleReader = true });
    private readonly TimeProvider _time;
    private readonly Action<StepSubscription> _onDispose;
    private readonly Lock _publishing = new();
    private readonly PrefixDigestReader _prefixes;

    // The step being gathered; the device's thread only.
    private readonly List<SequenceStep> _steps = [];
    private readonly List<StepToken> _tokens = [];
    private readonly List<StepAlternative> _alternatives = [];
    private readonly List<StepDigest> _digests = [];

    private long _number;
    private long _lastWrite;
    private long _lastRead;

    internal StepSubscription(GatewayId gateway, PrefixDigest prefixes, TimeProvider time, Action<StepSubscription> onDispose)
    {
        (Gateway, _prefixes, _time, _onDispose) = (gateway, new(prefixes), time, onDispose);
        _lastWrite = _lastRead = time.GetTimestamp();
    }

    /// <summary>Whose stream this is.</summary>
    public GatewayId Gateway { get; }

    /// <summary>Whether the stream has ended; nothing is accepted under it any more.</summary>
    public bool Ended { get; private set; }

    internal TimeSpan SinceLastWrite => _time.GetElapsedTime(Volatile.Read(ref _lastWrite));

    internal TimeSpan SinceLastRead => _time.GetElapsedTime(Volatile.Read(ref _lastRead));

    /// <summary>The batches, in order, until the stream ends.</summary>
    public async IAsyncEnumerable<StepBatch> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _channel.Reader.WaitToReadAsync(cancellationToken))
        {
            while (_channel.Reader.TryRead(out var batch))
            {
                Volatile.Write(ref _lastRead, _time.GetTimestamp());
                yield return batch;
            }

            Volatile.Write(ref _lastRead, _time.GetTimestamp());
        }
    }

    /// <summary>Ends the stream and cancels what was submitted under it.</summary>
    public void Dispose() => _onDispose(this);

    internal void End(Exception? error)
    {
        Ended = true;
        _channel.Writer.TryComplete(error);
    }

    /// <summary>Adds all that one step did for one sequence; true for the step's first.</summary>
    internal bool Add(AttemptId attempt, List<EngineEvent> events)
    {
        var step = new SequenceStep
        {
            Attempt = attempt,
            FirstToken = _tokens.Count,
            FirstAlternative = _alternatives.Count,
            FirstDigest = _digests.Count,
        };
        foreach (var engineEvent in events)
        {
            switch (engineEvent)
            {
                case SequenceStarted started:
                    step.Started = true;
                    step.CachedTokens = started.CachedTokens;
                    break;
                case PromptScored scored:
                    AddPrompt(ref step, scored);
                    break;
                case TokenGenerated generated:
                    step.OutputFirstIndex = step.OutputTokenCount++ == 0 ? generated.Index : step.OutputFirstIndex;
                    AddToken(generated.Token);
                    AddDigest(ref step, generated.Token.Digest);
                    break;
                case SequenceFinished finished:
                    step.Finish = finished.Reason.ToMessage();
                    step.StopTokenId = finished.StopTokenId;
                    step.Error = finished.Error;
                    break;
                default:
                    throw new InvalidOperationException($"Unknown engine event {engineEvent.GetType().Name}.");
            }
        }

        _steps.Add(step);
        return _steps.Count == 1;
    }

    /// <summary>Publishes what was added since the last call.</summary>
    internal void Publish(WorkerLoad load)
    {
        Write(load, [.. _steps], [.. _tokens], [.. _alternatives], [.. _digests]);
        _steps.Clear();
        _tokens.Clear();
        _alternatives.Clear();
        _digests.Clear();
    }

    /// <summary>Publishes a batch without sequences. From any thread.</summary>
    internal void Heartbeat(WorkerLoad load) => Write(load, [], [], [], []);

    private void AddPrompt(ref SequenceStep step, PromptScored scored)
    {
        if (step.OutputTokenCount > 0)
        {
            throw new InvalidOperationException("The engine reported prompt logprobs after output in one step.");
        }

        step.PromptFirstIndex = step.PromptTokenCount == 0 ? scored.FirstIndex : step.PromptFirstIndex;
        step.PromptTokenCount += scored.Tokens.Length;
        foreach (var token in scored.Tokens)
        {
            AddToken(token);
        }
    }

    private void AddToken(in SampledToken token)
    {
        var top = token.Top ?? [];
        _tokens.Add(new StepToken(token.TokenId, token.Logprob, top.Length));
        foreach (var alternative in top)
        {
            _alternatives.Add(new StepAlternative(alternative.TokenId, alternative.Logprob));
        }
    }

    private void AddDigest(ref SequenceStep step, LogitDigest? digest)
    {
        if (digest is { } given)
        {
            step.HasDigests = true;
            _digests.Add(new StepDigest(given.First, given.Second));
        }
    }

    private void Write(WorkerLoad load, SequenceStep[] steps, StepToken[] tokens, StepAlternative[] alternatives, StepDigest[] digests)
    {
        // Device thread and heartbeat timer both write; numbers must leave in order.
        lock (_publishing)
        {
            _channel.Writer.TryWrite(new StepBatch
            {
                Number = _number++,
                Load = load,
                Sequences = steps,
                Tokens = tokens,
                Alternatives = alternatives,
                Digests = digests,
                Prefixes = _prefixes.Take(),
            });
            Volatile.Write(ref _lastWrite, _time.GetTimestamp());
        }
    }
}
