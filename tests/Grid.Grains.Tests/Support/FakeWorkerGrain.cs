using System.Runtime.CompilerServices;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Grid.Grains.Tests.Support;

/// <summary>A worker whose answers a test gives.</summary>
internal sealed class FakeWorkerGrain : IGpuWorkerGrain
{
    public static WorkerId Id { get; } = new("127.0.0.1:1@1/cpu");

    public Func<Task<WorkerStatus>> OnStatus { get; set; } = () => Task.FromResult(Status());

    public Func<SubmitRequest, Task<Refusal?>> OnSubmit { get; set; } = _ => Task.FromResult<Refusal?>(null);

    public Func<CancellationToken, IAsyncEnumerable<StepBatch>> OnBatches { get; set; } = NothingAsync;

    public Func<Task<int[]>> OnFind { get; set; } = () => Task.FromResult<int[]>([]);

    public FakeSiloProbe Probe { get; } = new();

    public int StatusCalls { get; private set; }

    public List<AttemptId> Cancelled { get; } = [];

    public static WorkerStatus Status() => new()
    {
        Worker = Id,
        ModelId = TestModel.Name,
        NumericsId = TestModel.NumericsId,
        TextDigest = TestModel.Worker().Text.Digest,
        Device = "scripted",
        Started = DateTimeOffset.UnixEpoch,
        Limits = TestModel.Worker().Limits,
        Load = default,
        PageTokens = 64,
    };

    /// <summary>A link to it, and a worker as of when the link was live.</summary>
    public (WorkerLink Link, LiveWorker Worker) Connect(TimeProvider time, SequencesOptions? options = null)
    {
        options ??= new();
        var pools = new WorkerPools();
        var link = new WorkerLink(
            Id, this, new GatewayId("gateway"), Probe, new TextModelCache(), pools, options, time, () => { }, _ => { }, NullLogger.Instance);
        return (link, new LiveWorker(link, Status(), TestModel.Text, options, time, pools));
    }

    public Task<WorkerStatus> GetStatus()
    {
        StatusCalls++;
        return OnStatus();
    }

    public Task<TextFiles?> GetTextFiles(string digest) => Task.FromResult<TextFiles?>(TestModel.Worker().Text);

    public Task<Refusal?> Submit(SubmitRequest request) => OnSubmit(request);

    public Task Cancel(AttemptId attempt)
    {
        Cancelled.Add(attempt);
        return Task.CompletedTask;
    }

    public Task<int[]> FindOutput(Guid name, int count) => OnFind();

    public Task FlushCache() => Task.CompletedTask;

    public Task Pause(PauseMode mode) => Task.CompletedTask;

    public Task Continue() => Task.CompletedTask;

    public Task AbortAll() => Task.CompletedTask;

    public Task<WeightsAnswer> PrepareWeights(WeightsRequest request) => Task.FromResult(new WeightsAnswer { Refusal = Refusal.Unavailable("fake") });

    public Task<Refusal?> ApplyWeights(Guid update) => Task.FromResult<Refusal?>(Refusal.Unavailable("fake"));

    public Task DropWeights(Guid update) => Task.CompletedTask;

    public Task Quarantine(string reason) => Task.CompletedTask;

    public IAsyncEnumerable<StepBatch> Subscribe(GatewayId gateway, CancellationToken cancellationToken) => OnBatches(cancellationToken);

    private static async IAsyncEnumerable<StepBatch> NothingAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.Infinite, cancellationToken);
        yield break;
    }
}
