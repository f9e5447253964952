using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Text;

namespace Grid.Gateway.Tests.Fakes;

/// <summary>A grid whose sequences say what a test wants, or by default a text that names their seed.</summary>
internal sealed class FakeSequenceService : ISequenceService
{
    public static readonly TextModel Text = TinyText.Load();

    public static readonly ServedModel Model = new(
        "tiny", "grid-1-fake", 4096, Text, DateTimeOffset.UnixEpoch.AddSeconds(1_700_000_000));

    public ConcurrentQueue<SequenceSpec> Started { get; } = new();

    public ConcurrentQueue<FakeSequence> Sequences { get; } = new();

    public IReadOnlyList<ServedModel> Models { get; set; } = [Model];

    public bool KnowsAllModels { get; set; } = true;

    public int FlushingWorkers { get; set; } = 1;

    public GridSnapshot Snapshot { get; set; } = new([Worker("worker", WorkerState.Live)], new Dictionary<string, int>(), Running: 0);

    public int Flushes { get; private set; }

    /// <summary>What happens when it is asked after a long time.</summary>
    public Action? Opened { get; set; }

    public Task OpenAsync(CancellationToken cancellationToken)
    {
        Opened?.Invoke();
        return Task.CompletedTask;
    }

    /// <summary>What a sequence says; throws to refuse it.</summary>
    public Func<SequenceSpec, IAsyncEnumerable<SequenceUpdate>>? Script { get; set; }

    /// <summary>What a sequence waits for before it starts: workers with room.</summary>
    public Func<CancellationToken, Task>? Admission { get; set; }

    public static WorkerSnapshot Worker(string id, WorkerState state, string? reason = null) => new(
        new WorkerStatus
        {
            Worker = new WorkerId(id),
            ModelId = "tiny",
            NumericsId = "grid-1-fake",
            TextDigest = "",
            Device = "a fake",
            Started = DateTimeOffset.UnixEpoch,
            Limits = new WorkerLimits { MaxContextTokens = 1, MaxRunningSequences = 1, MaxWaitingSequences = 1, KvCacheTokens = 1, VocabularySize = 1, MaxModelTokens = 1 },
            PageTokens = 1,
            Load = default,
        },
        default, state, 0)
    { Reason = reason };

    public ClientAllowance Allowance { get; set; } = new(new(null, null, null), 0, TimeSpan.Zero, 0, TimeSpan.Zero);

    public ClientAllowance AllowanceOf(string client) => Allowance;

    /// <summary>Sequences that count as their clients' though none ran for them.</summary>
    public ConcurrentQueue<FakeCharge> Charges { get; } = new();

    /// <summary>What such a one is refused with.</summary>
    public Func<string, Refusal?>? Limit { get; set; }

    public IClientCharge Charge(string client, int promptTokens, IReservedPlaces? reserved)
    {
        if (Limit?.Invoke(client) is { } refusal)
        {
            throw new RefusedException(refusal);
        }
        var charge = new FakeCharge(client, promptTokens);
        Charges.Enqueue(charge);
        return charge;
    }

    /// <summary>Sequences that places were kept for.</summary>
    public ConcurrentQueue<int> Reserved { get; } = new();

    /// <summary>What a request with so many is refused with.</summary>
    public Func<int, Refusal?>? Full { get; set; }

    public IReservedPlaces Reserve(SequenceSpec spec, int sequences)
    {
        Reserved.Enqueue(sequences);
        return Full?.Invoke(sequences) is { } refusal ? throw new RefusedException(refusal) : new FakePlaces();
    }

    public ServedModel? FindModel(string id, string numericsId) =>
        Models.FirstOrDefault(model => model.Id == id && model.NumericsId == numericsId);

    public async Task<IRunningSequence> StartAsync(SequenceSpec spec, Action<IRunningSequence, SequenceUpdate> take, CancellationToken cancellationToken, string? name, IReservedPlaces? reserved)
    {
        await (Admission?.Invoke(cancellationToken) ?? Task.CompletedTask);
        int[] prompt = spec.PromptIds ?? Models.First(model => model.Id == spec.Model).Text!.Tokenizer.Encode(spec.PromptText!, spec.ParseSpecialTokens, spec.AddSpecialTokens);
        for (int i = 0; i < prompt.Length; i++)
        {
            if (prompt[i] >= TinyText.VocabularySize)
            {
                throw new RefusedException(Refusal.Invalid(nameof(spec.PromptIds), prompt[i], $"be below {TinyText.VocabularySize}", i));
            }
        }
        if (prompt.Length >= Model.MaxContextTokens)
        {
            throw new RefusedException(Refusal.Invalid(Refusal.PromptLength, prompt.Length, $"be below {Model.MaxContextTokens}"));
        }
        if (Array.FindIndex(spec.ExpectedOutputIds, id => id >= TinyText.VocabularySize) is var wrong and >= 0)
        {
            throw new RefusedException(Refusal.Invalid(nameof(spec.ExpectedOutputIds), spec.ExpectedOutputIds[wrong], $"be below {TinyText.VocabularySize}", wrong));
        }
        if (spec.Worker is not (null or "worker"))
        {
            throw new RefusedException(Refusal.Invalid(nameof(spec.Worker), spec.Worker, "be the id of a worker"));
        }
        Started.Enqueue(spec);
        var sequence = new FakeSequence(prompt, spec.Generation.MaxNewTokens ?? Model.MaxContextTokens - prompt.Length, Script?.Invoke(spec) ?? FakeAnswers.Default(spec, prompt));
        Sequences.Enqueue(sequence);
        _ = sequence.TellAsync(take);
        return sequence;
    }

    public Task<int> FlushCacheAsync(CancellationToken cancellationToken)
    {
        Flushes++;
        return Task.FromResult(FlushingWorkers);
    }

    /// <summary>What it was told, in words.</summary>
    public ConcurrentQueue<string> Told { get; } = new();

    /// <summary>The workers there are, and those that do as they are told.</summary>
    public WorkersReached Reached { get; set; } = new(1, 1);

    public Task<WorkersReached> PauseAsync(string? model, PauseMode mode, CancellationToken cancellationToken) => Tell($"pause {model} {mode}");

    public Task<WorkersReached> ContinueAsync(string? model, CancellationToken cancellationToken) => Tell($"continue {model}");

    public Task<WorkersReached> AbortAllAsync(string? model, CancellationToken cancellationToken) => Tell($"abort all {model}");

    /// <summary>What an update gives; throws to refuse it.</summary>
    public Func<WeightsRequest, UpdatedWeights> Update { get; set; } = request => new("grid-1-new", request.Version ?? "grid-1-new", 1);

    public Task<UpdatedWeights> UpdateWeightsAsync(string model, WeightsRequest request, CancellationToken cancellationToken)
    {
        Told.Enqueue($"update {model} {request.ModelPath} {request.DummySeed} {request.Version} {request.AbortsAll}");
        return Task.FromResult(Update(request));
    }

    public Task<ServedModel> WaitForWeightsAsync(ServedModel before, CancellationToken cancellationToken) => Task.FromResult(Models[0]);

    public void Abort(string name, bool isPrefix) => Told.Enqueue($"abort {name}{(isPrefix ? "*" : "")}");

    private Task<WorkersReached> Tell(string what)
    {
        Told.Enqueue(what);
        return Task.FromResult(Reached);
    }
}

/// <summary>Places that nobody counts.</summary>
internal sealed class FakePlaces : IReservedPlaces
{
    public void Dispose()
    {
    }
}

/// <summary>What a client is charged with.</summary>
internal sealed class FakeCharge(string client, int promptTokens) : IClientCharge
{
    private int _tokens;

    public string Client => client;

    public int PromptTokens => promptTokens;

    public int Tokens => _tokens;

    public bool IsOver { get; private set; }

    public void Count(int tokens) => Interlocked.Add(ref _tokens, tokens);

    public void Dispose() => IsOver = true;
}

/// <summary>A sequence that tells when it was read to its end and when it was disposed.</summary>
internal sealed class FakeSequence(int[] promptIds, int maxNewTokens, IAsyncEnumerable<SequenceUpdate> updates) : IRunningSequence
{
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _left = new();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Guid Id { get; } = Guid.NewGuid();

    public IReadOnlyList<int> PromptIds => promptIds;

    public int MaxNewTokens => maxNewTokens;

    public int CachedTokens => promptIds.Length / 2;

    public Task Drained => _drained.Task;

    public Task Disposed => _disposed.Task;

    public async Task TellAsync(Action<IRunningSequence, SequenceUpdate> take)
    {
        await foreach (var update in updates.WithCancellation(_left.Token))
        {
            take(this, update);
        }
        _drained.TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _left.CancelAsync();
        _disposed.TrySetResult();
    }
}

/// <summary>What fake sequences say.</summary>
internal static class FakeAnswers
{
    /// <summary>A text that names the seed and holds characters of two and four bytes, token by token.</summary>
    public static string TextOf(ulong seed) => $"Seed {seed}: ü😀.";

    public static async IAsyncEnumerable<SequenceUpdate> Default(SequenceSpec spec, int[] prompt)
    {
        await Task.Yield();
        if (spec.Generation.PromptLogprobsFrom is { } from)
        {
            from = Math.Max(from, 1);
            yield return new SequenceUpdate
            {
                PromptFirstIndex = from,
                PromptTokens = [.. Enumerable.Range(from, prompt.Length - from).Select(i => Score(spec, prompt[i], i, true))],
            };
        }
        int[] ids = [.. Encoding.UTF8.GetBytes(TextOf(spec.Generation.Sampling.Seed)).Select(b => (int)b), TinyText.End];
        int count = Math.Min(ids.Length, spec.Generation.MaxNewTokens ?? int.MaxValue);
        var detokenizer = new IncrementalDetokenizer(FakeSequenceService.Text.Tokenizer, skipSpecialTokens: true);
        for (int i = 0; i < count; i++)
        {
            bool ends = ids[i] == TinyText.End;
            string text = ends ? "" : detokenizer.Append(ids[i]);
            bool last = i == count - 1;
            yield return new SequenceUpdate
            {
                Text = last ? text + detokenizer.Flush() : text,
                Tokens = [Score(spec, ids[i], prompt.Length + i, spec.Generation.Logprobs)],
                FinishReason = last ? (ends ? "stop" : "length") : null,
                MatchedStop = ends ? TinyText.End : null,
            };
        }
    }

    /// <summary>Two characters, then nothing until the reader leaves.</summary>
    public static async IAsyncEnumerable<SequenceUpdate> Endless([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        yield return new SequenceUpdate { Text = "hi", Tokens = [new('h', 0, []), new('i', 0, [])] };
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    public static async IAsyncEnumerable<SequenceUpdate> Of(params SequenceUpdate[] updates)
    {
        await Task.Yield();
        foreach (var update in updates)
        {
            yield return update;
        }
    }

    /// <summary>The fake's logprob of a token at a position: any bits will do, if they are always the same.</summary>
    public static float Logprob(int id, int position) => -MathF.ScaleB(1 + (((id * 2654435761u) ^ ((uint)position * 40503u)) % 9973 / 9973f), (position % 9) - 6);

    private static ScoredToken Score(SequenceSpec spec, int id, int position, bool wanted) => new(
        id,
        wanted ? Logprob(id, position) : float.NaN,
        wanted ? [.. Enumerable.Range(0, spec.Generation.TopLogprobs).Select(k => KeyValuePair.Create((id + k) % 258, Logprob(id, position) - k))] : [])
    {
        Digest = spec.Generation.Digests ? DigestAt(position) : null,
    };

    /// <summary>The fake's digest of the logits at a position.</summary>
    public static StepDigest DigestAt(int position) => new((ulong)position * 0x9E3779B97F4A7C15, ~(ulong)position);
}
