namespace Grid.Cli.Verification;

/// <summary>A mode that runs against one server: what it asks with, and where it puts what it gets.</summary>
internal sealed class ModeRun(
    IAnsweringServer server, Prompts prompts, VerificationSettings settings, ModeResult result, string company, bool asSingles, Action moved,
    CancellationToken cancellationToken)
{
    private readonly HashSet<string> _fingerprints = [];

    /// <summary>What the server is and can.</summary>
    public ServerDescription Server => server.Description;

    /// <summary>What is asked.</summary>
    public Prompts Prompts { get; } = prompts;

    /// <summary>How much.</summary>
    public VerificationSettings Settings { get; } = settings;

    /// <summary>Chooses the same for each server.</summary>
    public Random Random { get; } = new(unchecked((int)settings.Seed * 31) + result.Name.Length);

    /// <summary>How tokens are drawn, unless a mode says otherwise.</summary>
    public Sampling Sampling { get; } = new() { Temperature = settings.Temperature, Seed = settings.Seed };

    /// <summary>Fingerprints that answers had.</summary>
    public IReadOnlyCollection<string> Fingerprints => _fingerprints;

    /// <summary>Trials, from 1; each that ends is told to whoever looks on.</summary>
    public IEnumerable<int> Trials()
    {
        for (int trial = 1; trial <= Settings.Trials; trial++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return trial;
            result.TrialsDone++;
            moved();
        }
    }

    /// <summary>Asks in one request.</summary>
    public async Task<IReadOnlyList<Answer>> AskAsync(Questions questions)
    {
        var answers = await server.AskAsync(questions, cancellationToken);
        lock (_fingerprints)
        {
            _fingerprints.UnionWith(answers.Select(answer => answer.Fingerprint).OfType<string>());
        }

        return answers;
    }

    /// <summary>Asks for one answer.</summary>
    public async Task<Answer> AskAsync(Prompt prompt) => (await AskAsync(new Questions([prompt], Settings.MaxTokens, Sampling)))[0];

    /// <summary>Empties the server's prefix cache, where it can.</summary>
    public Task EmptyCacheAsync()
    {
        if (Server.WhyCacheStays is { } reason)
        {
            result.Note($"The prefix cache was not emptied between trials: {reason}");
            return Task.CompletedTask;
        }

        return server.EmptyCacheAsync(cancellationToken);
    }

    /// <summary>The grid's workers in quarantine.</summary>
    public Task<IReadOnlyList<string>> QuarantinedWorkersAsync() => server.QuarantinedWorkersAsync(cancellationToken);

    /// <summary>Takes an answer.</summary>
    public void Add(string name, string group, string label, int load, Answer answer) =>
        result.Case(name, asSingles).Add(group, company.Length > 0 ? $"{label}, of {company}" : label, load, answer);

    /// <summary>Says what a reader should know.</summary>
    public void Note(string note) => result.Note(note);
}
