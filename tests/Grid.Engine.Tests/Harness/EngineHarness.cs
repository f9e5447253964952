using Grid.Engine.Tests.Fakes;
using Grid.Numerics;

namespace Grid.Engine.Tests.Harness;

/// <summary>An engine over the fake model that audits its pages after every step and keeps every sequence's log.</summary>
internal sealed class EngineHarness
{
    private readonly Dictionary<SequenceId, SequenceLog> _logs = [];
    private int _next;

    public EngineHarness(EngineOptions? options = null, int maxPositions = 1024, bool ahead = false)
    {
        Operations = new FakeOperations { Ahead = ahead };
        Model = new FakeModel(Operations, maxPositions);
        Engine = new InferenceEngine(Model, Operations, options ?? new EngineOptions { KvPages = 64 });
    }

    public FakeModel Model { get; }

    public FakeOperations Operations { get; }

    public InferenceEngine Engine { get; }

    public EngineStatus Status => Engine.Status;

    public static SequenceRequest Request(int[] prompt, int maxNewTokens, ulong seed = 1) => new()
    {
        Id = new SequenceId(Guid.Empty, 0),
        PromptIds = prompt,
        MaxNewTokens = maxNewTokens,
        Sampling = new SamplingParameters { Seed = seed },
        IgnoreEndTokens = true,
        Logprobs = true,
    };

    /// <summary>A prompt of ordinary tokens that differs from that of any other salt in its first page.</summary>
    public static int[] Prompt(int length, int salt = 0) =>
        [.. Enumerable.Range(0, length).Select(i => 6 + (int)(FakeMath.Mix((ulong)salt + 77, (ulong)i) % 90))];

    /// <summary>Submits under a fresh id unless the request has one.</summary>
    public SequenceLog Submit(SequenceRequest request)
    {
        if (request.Id.Value == Guid.Empty)
        {
            request = request with { Id = new SequenceId(new Guid(++_next, 0, 0, new byte[8]), 0) };
        }

        Assert.True(Engine.TrySubmit(request));
        return _logs[request.Id] = new SequenceLog(request);
    }

    public IReadOnlyList<EngineEvent> Step()
    {
        var events = Engine.Step();
        foreach (var engineEvent in events)
        {
            _logs[engineEvent.Id].Add(engineEvent);
        }

        PageAudit.Check(Engine);
        return events;
    }

    public void RunToEnd(int maxSteps = 20_000)
    {
        for (int i = 0; Status.Running + Status.Waiting > 0; i++)
        {
            Assert.True(i < maxSteps, "The engine did not come to an end.");
            Step();
        }
    }

    public SequenceLog Run(SequenceRequest request)
    {
        var log = Submit(request);
        RunToEnd();
        return log;
    }

    public void Cancel(SequenceLog log) => Engine.Cancel(log.Request.Id);
}
