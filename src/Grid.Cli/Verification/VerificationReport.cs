namespace Grid.Cli.Verification;

/// <summary>What was found.</summary>
/// <param name="Servers">One, or two that are compared.</param>
/// <param name="Settings">What was asked for.</param>
/// <param name="Modes">In the order in which they run.</param>
public sealed record VerificationReport(IReadOnlyList<ServerDescription> Servers, VerificationSettings Settings, IReadOnlyList<ModeResult> Modes)
{
    private readonly List<string> _notes = [];

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>What a reader should know of all of it.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Answers that were compared.</summary>
    public int Total => Modes.Sum(mode => mode.Cases.Sum(one => one.Total));

    /// <summary>Whether no question got two answers.</summary>
    public bool IsEqual => Modes.All(mode => mode.IsEqual);

    /// <summary>Whether all modes that were not skipped made all of their trials.</summary>
    public bool IsWhole => Modes.All(mode => mode.State is ModeState.Done or ModeState.Skipped);

    /// <summary>Whether it was ended before its time.</summary>
    public bool IsCancelled => Modes.Any(mode => mode.State == ModeState.Cancelled);

    /// <summary>Says it once.</summary>
    internal void Note(string note)
    {
        if (!_notes.Contains(note))
        {
            _notes.Add(note);
        }
    }
}
