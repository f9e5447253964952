using Grid.Models.Operations;

namespace Grid.Engine;

/// <summary>One thing that a step did for one sequence.</summary>
public abstract record EngineEvent(SequenceId Id);

/// <summary>The sequence was admitted and runs; CachedTokens of its prompt came from the prefix cache. Reported once per
/// admission's first time, before any other event of the sequence (a sequence cancelled while waiting only
/// finishes).</summary>
public sealed record SequenceStarted(SequenceId Id, int CachedTokens) : EngineEvent(Id);

/// <summary>Logprobs of prompt tokens FirstIndex, FirstIndex+1, ... in order; may come in several chunks.</summary>
public sealed record PromptScored(SequenceId Id, int FirstIndex, SampledToken[] Tokens) : EngineEvent(Id);

/// <summary>The next output token; Index counts output tokens from 0, prior ones included.</summary>
public sealed record TokenGenerated(SequenceId Id, int Index, SampledToken Token) : EngineEvent(Id);

/// <summary>The sequence ended. StopTokenId is set when a stop or end token ended it.</summary>
public sealed record SequenceFinished(SequenceId Id, FinishReason Reason, int? StopTokenId, string? Error) : EngineEvent(Id);
