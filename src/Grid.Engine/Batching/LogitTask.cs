using Grid.Engine.Sequences;

namespace Grid.Engine.Batching;

/// <summary>What one row of logits is for: drawing the sequence's next token, or scoring a prompt token.</summary>
/// <param name="Sequence">Whose row it is.</param>
/// <param name="TargetPosition">Absolute position of the token drawn or scored: one after the row's own.</param>
/// <param name="Draws">True to draw.</param>
internal readonly record struct LogitTask(Sequence Sequence, int TargetPosition, bool Draws);
