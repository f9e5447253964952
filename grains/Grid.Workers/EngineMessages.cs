using Grid.Engine;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Numerics;

namespace Grid.Workers;

/// <summary>Messages in the engine's terms, and back.</summary>
internal static class EngineMessages
{
    public static SequenceId ToEngine(this AttemptId attempt) => new(attempt.Sequence, attempt.Epoch);

    public static AttemptId ToMessage(this SequenceId id) => new(id.Value, id.Epoch);

    /// <summary>A request that says where it ends (<see cref="GenerationParameters.MaxNewTokens"/>).</summary>
    public static SequenceRequest ToEngine(this SubmitRequest request)
    {
        var generation = request.Generation;
        return new SequenceRequest
        {
            Id = request.Attempt.ToEngine(),
            PromptIds = request.PromptIds,
            PriorOutputIds = request.PriorOutputIds,
            Sampling = new SamplingParameters
            {
                Temperature = generation.Temperature,
                TopP = generation.TopP,
                TopK = generation.TopK,
                MinP = generation.MinP,
                PresencePenalty = generation.PresencePenalty,
                FrequencyPenalty = generation.FrequencyPenalty,
                RepetitionPenalty = generation.RepetitionPenalty,
                LogitBias = Array.ConvertAll(generation.LogitBias, bias => new LogitBias(bias.TokenId, bias.Bias)),
                Seed = generation.Seed,
            },
            MaxNewTokens = generation.MaxNewTokens!.Value,
            MinNewTokens = generation.MinNewTokens,
            StopTokenIds = generation.StopTokenIds,
            IgnoreEndTokens = generation.IgnoreEndTokens,
            Logprobs = generation.Logprobs,
            TopLogprobs = generation.TopLogprobs,
            PromptLogprobsFrom = generation.PromptLogprobsFrom,
            Resumed = request.Resumed,
        };
    }

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
    };
}
