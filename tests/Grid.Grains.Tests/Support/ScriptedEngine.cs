using Grid.Engine;
using Grid.Engine.Admission;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Grains.Tests.Support;

/// <summary>
/// An engine whose tokens are a function of the prompt and the output index, as the real one's are: any instance gives
/// the same answer. Each step moves every running sequence by one token; held back, only as many steps do as a test
/// allows.
/// </summary>
public sealed class ScriptedEngine : IInferenceEngine, IDisposable
{
    public const int Vocabulary = 256;

    private static readonly ModelConfig s_config = new()
    {
        Architecture = "Scripted",
        VocabularySize = Vocabulary,
        HiddenSize = 1,
        IntermediateSize = 1,
        Layers = 1,
        QueryHeads = 1,
        KvHeads = 1,
        HeadDim = 2,
        MaxPositions = TestModel.MaxModelTokens,
        NormEpsilon = 1e-6f,
        RopeTheta = 10000,
        TiedEmbeddings = true,
        EndTokenIds = [],
    };

    private readonly RequestValidator _validator = new(s_config, TestModel.MaxModelTokens / AttentionLayout.BlockTokens);
    private readonly Lock _sync = new();
    private readonly List<Run> _running = [];
    private readonly List<EngineEvent> _events = [];
    private readonly List<SequenceId> _cancelled = [];
    private readonly SemaphoreSlim _work = new(0);
    private int _allowed;
    private long _steps;
    private long _generated;
    private bool _paused;
    private (Action Apply, TaskCompletionSource Done)? _exchange;

    /// <summary>Whether tokens come only as <see cref="Allow"/> says.</summary>
    public bool HeldBack { get; init; }

    public int MaxWaiting { get; set; } = int.MaxValue;

    /// <summary>Whether a sequence is taken though it is full when one of a higher rank runs; all run on then.</summary>
    public bool Displaces { get; init; }

    /// <summary>Throws from the step with this number on.</summary>
    public long? FailAtStep { get; set; }

    /// <summary>Whether it refuses whatever it is given, as an engine after a failed step does.</summary>
    public bool Broken { get; set; }

    /// <summary>From this output index on its tokens are wrong; null: never.</summary>
    public int? WrongFrom { get; set; }

    /// <summary>Whether it is the last bit of the logprob that is wrong, and not the token.</summary>
    public bool WrongInLogprob { get; set; }

    /// <summary>Whether it is one bit of the digest that is wrong, and not the token.</summary>
    public bool WrongInDigest { get; set; }

    /// <summary>While reset, a step does not end.</summary>
    public ManualResetEventSlim Moving { get; } = new(true);

    public int Flushes { get; private set; }

    public List<SequenceRequest> Requests { get; } = [];

    public EngineStatus Status
    {
        get
        {
            lock (_sync)
            {
                int room = Math.Min(TestModel.MaxWaiting, Math.Max(0, MaxWaiting - _running.Count));
                return new EngineStatus(_running.Count, TestModel.MaxWaiting - room, 10, 0, 10, _steps, _generated, 0, 0, 0) { Room = room, DisplacedRank = HighestRank, Paused = _paused };
            }
        }
    }

    /// <summary>The output token at an index: printable, and never the same twice running.</summary>
    public static int TokenAt(IReadOnlyList<int> prompt, int index) =>
        'a' + ((prompt.Sum() * 7) + (prompt.Count * 3) + (index * 5)) % 26;

    /// <summary>The digest of the logits that an output token is drawn from.</summary>
    public static LogitDigest DigestAt(IReadOnlyList<int> prompt, int index) => LogitDigest.Of([prompt.Sum(), prompt.Count, index]);

    public bool TrySubmit(SequenceRequest request)
    {
        lock (_sync)
        {
            if (Broken)
            {
                throw new InvalidOperationException("An earlier step of the scripted device failed.");
            }

            _validator.Validate(request); // As the real engine does.

            if (_running.Count >= MaxWaiting && request.Rank >= HighestRank && !request.BypassesQueueLimit)
            {
                return false;
            }

            Requests.Add(request);
            _running.Add(new Run(request, request.PriorOutputIds.Length));
        }

        _work.Release();
        return true;
    }

    private int HighestRank => Displaces ? _running.Select(run => run.Request.Rank).DefaultIfEmpty().Max() : 0;

    public void Cancel(SequenceId id)
    {
        lock (_sync)
        {
            _cancelled.Add(id);
        }

        _work.Release();
    }

    public void RequestFlush() => Flushes++;

    public void Pause(bool retract) => SetPaused(true);

    public void Continue() => SetPaused(false);

    public Task ExchangeWeightsAsync(Action apply)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_sync)
        {
            _exchange = (apply, done);
        }

        _work.Release();
        return done.Task;
    }

    private void SetPaused(bool paused)
    {
        lock (_sync)
        {
            _paused = paused;
        }

        _work.Release();
    }

    public void Dispose()
    {
        Moving.Set();
        _work.Dispose();
    }

    /// <summary>Lets this many more steps generate.</summary>
    public void Allow(int steps)
    {
        lock (_sync)
        {
            _allowed += steps;
        }

        _work.Release();
    }

    public void WaitForWork(CancellationToken cancellationToken)
    {
        lock (_sync)
        {
            if (_cancelled.Count > 0 || _exchange is not null || (_running.Count > 0 && !_paused && (!HeldBack || _allowed > 0)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                return;
            }
        }

        _work.Wait(cancellationToken);
    }

    public IReadOnlyList<EngineEvent> Step()
    {
        Moving.Wait();
        lock (_sync)
        {
            _events.Clear();
            if (FailAtStep is { } step && _steps >= step)
            {
                throw new InvalidOperationException("The scripted device broke.");
            }

            _steps++;
            foreach (var id in _cancelled)
            {
                if (_running.RemoveAll(run => run.Request.Id == id) > 0)
                {
                    _events.Add(new SequenceFinished(id, FinishReason.Cancelled, null, null));
                }
            }

            _cancelled.Clear();
            if (_exchange is { } exchange)
            {
                Assert.Empty(_running);
                _exchange = null;
                exchange.Apply();
                exchange.Done.SetResult();
            }

            if (_running.Count == 0 || _paused || (HeldBack && _allowed-- <= 0))
            {
                _allowed = Math.Max(0, _allowed);
                return _events;
            }

            // Kinds of events one after the other, so that one sequence's are apart.
            _events.AddRange(_running.Where(run => !run.Started).Select(run => new SequenceStarted(run.Request.Id, run.Request.PromptIds.Length / 2)));
            foreach (var run in _running)
            {
                Score(run);
            }

            foreach (var run in _running)
            {
                Generate(run);
            }

            foreach (var run in _running.Where(run => run.Finish is not null))
            {
                _events.Add(run.Finish!);
            }

            _running.RemoveAll(run => run.Finish is not null);
            return _events;
        }
    }

    private void Score(Run run)
    {
        if (!run.Started && run.Request.PromptLogprobsFrom is { } from && from < run.Request.PromptIds.Length)
        {
            var tokens = run.Request.PromptIds[from..].Select(id => new SampledToken(id, -id, [], false)).ToArray();
            _events.Add(new PromptScored(run.Request.Id, from, tokens));
        }

        run.Started = true;
    }

    private void Generate(Run run)
    {
        int index = run.Next++;
        int token = TokenAt(run.Request.PromptIds, index);
        bool wrong = index >= WrongFrom;
        token ^= wrong && !WrongInLogprob && !WrongInDigest ? 1 : 0;
        float logprob = -0.5f * index;
        logprob = wrong && WrongInLogprob ? MathF.BitDecrement(logprob) : logprob;
        int alternatives = run.Request.Logprobs ? run.Request.TopLogprobs : 0;
        var top = Enumerable.Range(0, alternatives).Select(i => new TokenLogprob(token + i, -i)).ToArray();
        var digest = DigestAt(run.Request.PromptIds, index);
        digest = wrong && WrongInDigest ? digest with { Second = digest.Second ^ 1 } : digest;
        _events.Add(new TokenGenerated(run.Request.Id, index, new SampledToken(token, logprob, top, false) { Digest = run.Request.Digests ? digest : null }));
        _generated++;
        if (run.Request.StopTokenIds.Contains(token))
        {
            run.Finish = new SequenceFinished(run.Request.Id, FinishReason.Stop, token, null);
        }
        else if (run.Next >= run.Request.MaxNewTokens)
        {
            run.Finish = new SequenceFinished(run.Request.Id, FinishReason.Length, null, null);
        }
    }

    private sealed class Run(SequenceRequest request, int next)
    {
        public SequenceRequest Request { get; } = request;

        public int Next { get; set; } = next;

        public bool Started { get; set; }

        public SequenceFinished? Finish { get; set; }
    }
}
