namespace Grid.Clustering.Options;

/// <summary>One option: its spelling on the command line, its key in the configuration, and how a value is taken.</summary>
/// <param name="Name">"--cluster".</param>
/// <param name="Key">"Cluster", in section "Grid".</param>
/// <param name="ValueName">What the value is, for the help text.</param>
/// <param name="Help">What the option does, one line.</param>
/// <param name="Set">Takes a value; throws <see cref="ClusterOptionException"/> with the rule it breaks.</param>
/// <param name="IsSwitch">Whether the name alone means "true".</param>
public sealed record ClusterOption(
    string Name, string Key, string ValueName, string Help, Action<ClusterNodeOptions, string> Set, bool IsSwitch = false);

/// <summary>A value that an option does not take. The message completes "it must ...".</summary>
public sealed class ClusterOptionException(string rule) : Exception(rule);
