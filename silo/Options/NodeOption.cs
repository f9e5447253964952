namespace Grid.Silo.Options;

/// <summary>One option: its spelling on the command line, its key in the configuration, and how a value is taken.</summary>
/// <param name="Name">"--port".</param>
/// <param name="Key">"Port", in section "Grid".</param>
/// <param name="ValueName">What the value is, for the help text.</param>
/// <param name="Help">What the option does, one line.</param>
/// <param name="Set">Takes a value; throws <see cref="OptionValueException"/> with the rule it breaks.</param>
/// <param name="IsSwitch">Whether the name alone means "true".</param>
public sealed record NodeOption(
    string Name, string Key, string ValueName, string Help, Action<NodeOptions, string> Set, bool IsSwitch = false);

/// <summary>A value that an option does not take. The message completes "it must ...", or is a sentence of its own.</summary>
public sealed class OptionValueException(string rule, bool isSentence = false) : Exception(rule)
{
    /// <summary>Whether the message stands for itself.</summary>
    public bool IsSentence { get; } = isSentence;
}
