using Grid.Engine;
using Grid.Engine.PrefixCaching;

namespace Grid.FaultySilo;

/// <summary>The engine of one of the node's devices with faults that can be switched on: a step that does not end, one that throws, a
/// kernel that traps, norms that depend on the batch, and tokens or logprobs with a flipped bit.</summary>
internal sealed class FaultyEngine(FaultyDevice device, IInferenceEngine inner) : IInferenceEngine
{
    private readonly object _gate = new(); // Not a Lock: the device waits on it.
    private int _hangsAfter = int.MaxValue;
    private volatile int _failsAfter = int.MaxValue;
    private volatile int _trapsAfter = int.MaxValue;
    private volatile int _faultyAfter = int.MaxValue;
    private volatile bool _inLogprob;
    private int _tokens;

    public EngineStatus Status => inner.Status;

    /// <summary>The step does not end that makes this many more tokens full.</summary>
    public void Hang(int tokens) => SetHangsAfter(Volatile.Read(ref _tokens) + tokens);

    /// <summary>The step that hung ends.</summary>
    public void GoOn() => SetHangsAfter(int.MaxValue);

    /// <summary>The step throws that makes this many more tokens full; its events are lost.</summary>
    public void Fail(int tokens) => _failsAfter = Volatile.Read(ref _tokens) + tokens;

    /// <summary>A kernel traps on the device, a GPU, after so many more tokens: what runs on it next gets the driver's error.</summary>
    public void Trap(int tokens) => _trapsAfter = Volatile.Read(ref _tokens) + tokens;

    /// <summary>Norms give other values in steps of several rows, or no longer.</summary>
    public void DependOnBatch(bool depends) => device.DependOnBatch(depends);

    /// <summary>Flips a bit in every token that comes after so many more; or in its logprob, the last one.</summary>
    public void Corrupt(int tokens, bool inLogprob)
    {
        _inLogprob = inLogprob;
        _faultyAfter = Volatile.Read(ref _tokens) + tokens;
    }

    public void Observe(IPrefixCacheObserver observer) => inner.Observe(observer);

    public bool TrySubmit(SequenceRequest request) => inner.TrySubmit(request);

    public void Cancel(SequenceId id) => inner.Cancel(id);

    public void RequestFlush() => inner.RequestFlush();

    public void Pause(bool retract) => inner.Pause(retract);

    public void Continue() => inner.Continue();

    public Task ExchangeWeightsAsync(Action apply) => inner.ExchangeWeightsAsync(apply);

    public void WaitForWork(CancellationToken cancellationToken) => inner.WaitForWork(cancellationToken);

    public IReadOnlyList<EngineEvent> Step()
    {
        if (_tokens >= _trapsAfter)
        {
            GpuTrap.Spring(device.Name);
        }

        EngineEvent[] events = [.. inner.Step().Select(Damage)];
        if (_tokens >= _failsAfter)
        {
            throw new InvalidOperationException($"{device.Name} was told to fail.");
        }

        lock (_gate)
        {
            while (_tokens >= _hangsAfter)
            {
                Monitor.Wait(_gate);
            }
        }

        return events;
    }

    private void SetHangsAfter(int tokens)
    {
        lock (_gate)
        {
            _hangsAfter = tokens;
            Monitor.PulseAll(_gate);
        }
    }

    private EngineEvent Damage(EngineEvent news)
    {
        if (news is not TokenGenerated generated)
        {
            return news;
        }

        bool faulty = _tokens >= _faultyAfter;
        Volatile.Write(ref _tokens, _tokens + 1);
        var token = generated.Token;
        return !faulty ? news : generated with
        {
            Token = _inLogprob
                ? token with { Logprob = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(token.Logprob) ^ 1) }
                : token with { TokenId = token.TokenId ^ 1 },
        };
    }
}
