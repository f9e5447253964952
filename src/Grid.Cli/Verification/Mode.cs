namespace Grid.Cli.Verification;

/// <summary>A way to look for answers that depend on their company.</summary>
/// <param name="name">Its name on the command line.</param>
/// <param name="what">What it does, a line.</param>
internal abstract class Mode(string name, string what)
{
    /// <summary>Its name on the command line.</summary>
    public string Name { get; } = name;

    /// <summary>What it does, a line.</summary>
    public string What { get; } = what;

    /// <summary>Why it cannot run against a server; null where it can.</summary>
    public virtual string? WhyNot(ServerDescription server) => null;

    /// <summary>Makes all trials.</summary>
    public abstract Task RunAsync(ModeRun run);

    /// <summary>"trial 3, a batch of 3".</summary>
    protected static string InBatch(int trial, int size) => FormattableString.Invariant($"trial {trial}, a batch of {size}");
}
