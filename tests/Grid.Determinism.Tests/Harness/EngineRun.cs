using Grid.Engine;
using Grid.Models;
using Grid.Models.Operations;

namespace Grid.Determinism.Tests.Harness;

/// <summary>What one sequence gave.</summary>
internal sealed class SequenceResult(SequenceRequest request)
{
    public SequenceRequest Request { get; } = request;

    public int CachedTokens { get; set; }

    /// <summary>Scores of prompt tokens PromptLogprobsFrom (at least 1) and on.</summary>
    public List<SampledToken> Prompt { get; } = [];

    public List<SampledToken> Output { get; } = [];

    public int[] OutputIds => [.. Output.Select(t => t.TokenId)];

    public FinishReason? Reason { get; set; }
}

/// <summary>An engine with the results of its sequences.</summary>
internal sealed class EngineRun(ICausalLanguageModel model, IOperations operations, EngineOptions options) : IDisposable
{
    private readonly InferenceEngine _engine = new(model, operations, options);
    private readonly Dictionary<SequenceId, SequenceResult> _results = [];

    public EngineStatus Status => _engine.Status;

    public SequenceResult Submit(SequenceRequest request)
    {
        request = request with { Id = new SequenceId(Guid.NewGuid(), 0) };
        Assert.True(_engine.TrySubmit(request));
        return _results[request.Id] = new SequenceResult(request);
    }

    public SequenceResult Run(SequenceRequest request)
    {
        var result = Submit(request);
        RunToEnd();
        return result;
    }

    public void Cancel(SequenceResult result) => _engine.Cancel(result.Request.Id);

    public void Flush() => _engine.RequestFlush();

    /// <summary>Puts other weights in place, while nothing runs; whatever is still under way on the device ends first.</summary>
    public void Exchange(Action apply)
    {
        var done = _engine.ExchangeWeightsAsync(apply);
        for (int i = 0; i < 3 && !done.IsCompleted; i++)
        {
            Step();
        }

        Assert.True(done.IsCompletedSuccessfully);
    }

    public void Step(int count = 1)
    {
        for (int i = 0; i < count; i++)
        {
            foreach (var engineEvent in _engine.Step())
            {
                Add(_results[engineEvent.Id], engineEvent);
            }
        }
    }

    public void RunToEnd()
    {
        for (int i = 0; Status.Running + Status.Waiting > 0; i++)
        {
            Assert.True(i < 20_000, "The engine did not come to an end.");
            Step();
        }
    }

    public void Dispose() => _engine.Dispose();

    private static void Add(SequenceResult result, EngineEvent engineEvent)
    {
        switch (engineEvent)
        {
            case SequenceStarted started:
                result.CachedTokens = started.CachedTokens;
                break;
            case PromptScored scored:
                result.Prompt.AddRange(scored.Tokens);
                break;
            case TokenGenerated token:
                result.Output.Add(token.Token);
                break;
            case SequenceFinished finished:
                Assert.Null(finished.Error);
                result.Reason = finished.Reason;
                break;
        }
    }
}
