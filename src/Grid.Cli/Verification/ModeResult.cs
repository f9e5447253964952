namespace Grid.Cli.Verification;

/// <summary>How far a mode is.</summary>
public enum ModeState
{
    /// <summary>Not begun.</summary>
    Waiting,

    /// <summary>Under way.</summary>
    Running,

    /// <summary>All trials were made.</summary>
    Done,

    /// <summary>Not made; <see cref="ModeResult.Reason"/> says why.</summary>
    Skipped,

    /// <summary>A request failed, so it is not whole; <see cref="ModeResult.Reason"/> says how.</summary>
    Failed,

    /// <summary>Ended before its last trial, because it was asked to.</summary>
    Cancelled,
}

/// <summary>What a mode found, and while it runs has found so far.</summary>
/// <param name="name">Its name.</param>
/// <param name="what">What it does.</param>
/// <param name="trials">Trials to make, of all servers together.</param>
public sealed class ModeResult(string name, string what, int trials)
{
    private readonly List<CaseResult> _cases = [];
    private readonly List<string> _notes = [];

    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>What it does, a line.</summary>
    public string What { get; } = what;

    /// <summary>How far it is.</summary>
    public ModeState State { get; internal set; }

    /// <summary>Why it was skipped, or failed.</summary>
    public string? Reason { get; internal set; }

    /// <summary>Trials to make.</summary>
    public int Trials { get; } = trials;

    /// <summary>Trials that were made.</summary>
    public int TrialsDone { get; internal set; }

    /// <summary>How long it took.</summary>
    public TimeSpan Time { get; internal set; }

    /// <summary>What is compared, by name.</summary>
    public IReadOnlyList<CaseResult> Cases => _cases;

    /// <summary>What a reader should know of it: prompts that were cut, caches that the server does not speak of.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Whether nothing differs.</summary>
    public bool IsEqual => _cases.TrueForAll(one => one.IsEqual);

    /// <summary>The case of this name, made where there is none.</summary>
    internal CaseResult Case(string name, bool asSingles)
    {
        var found = _cases.Find(one => one.Name == name);
        if (found is null)
        {
            found = new CaseResult(name, asSingles);
            int at = _cases.FindIndex(one => string.CompareOrdinal(one.Name, name) > 0);
            _cases.Insert(at < 0 ? _cases.Count : at, found);
        }

        return found;
    }

    /// <summary>Says it once.</summary>
    internal void Note(string note)
    {
        if (!_notes.Contains(note))
        {
            _notes.Add(note);
        }
    }
}
