using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;

namespace Grid.Workers;

/// <summary>Messages in the engine's terms, and back.</summary>
internal static class EngineMessages
{
    public static SequenceId ToEngine(this AttemptId attempt) => new(attempt.Sequence, attempt.Epoch);

    public static AttemptId ToMessage(this SequenceId id) => new(id.Value, id.Epoch);

    public static SequenceRequest ToEngine(this SubmitRequest request) => new(request.Generation)
    {
        Id = request.Attempt.ToEngine(),
        PromptIds = request.PromptIds,
        PriorOutputIds = request.PriorOutputIds,
        ExpectedOutputIds = request.ExpectedOutputIds,
        BypassesQueueLimit = request.BypassesQueueLimit,
        Rank = request.Rank,
        CacheSalt = request.CacheSalt,
    };

    public static StepFinish ToMessage(this FinishReason reason) => reason switch
    {
        FinishReason.Stop => StepFinish.Stop,
        FinishReason.Length => StepFinish.Length,
        FinishReason.Cancelled => StepFinish.Cancelled,
        FinishReason.Failed => StepFinish.Failed,
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "Unknown finish reason."),
    };

    public static WorkerLoad ToMessage(this EngineStatus status) => new()
    {
        Running = status.Running,
        Waiting = status.Waiting,
        FreePages = status.FreePages,
        CachedPages = status.CachedPages,
        TotalPages = status.TotalPages,
        Steps = status.Steps,
        GeneratedTokens = status.GeneratedTokens,
        PromptTokens = status.PromptTokens,
        CachedPromptTokens = status.CachedPromptTokens,
        Preemptions = status.Preemptions,
        QueuedTokens = status.QueuedTokens,
        Room = status.Room,
        DisplacedRank = status.DisplacedRank,
        Paused = status.Paused,
    };
}
