using Grid.Engine.Batching;

namespace Grid.Engine.Scheduling;

/// <summary>A step from its plan to its publishing; reused for the step after the next.</summary>
internal sealed class LaunchedStep(int maxRows)
{
    public StepPlan Plan { get; } = new();

    public BatchBuilder Batches { get; } = new(maxRows);

    /// <summary>Whether the device is still at it.</summary>
    public bool LeftToDevice { get; set; }

    /// <summary>Whether the engine had nothing to do before it, or before steps without a token that came just before.</summary>
    public bool AfterPause { get; set; }
}
