namespace Grid.Options;

/// <summary>
/// Makes a property an option of the processes that have it: its name on the command line and in the configuration, what it
/// is for, and (each kind in its own way) which values it takes. The property's initial value is the default.
/// </summary>
/// <param name="what">What the option is for, one line of the help text.</param>
/// <param name="takes">What its value is, for the help text: "number".</param>
[AttributeUsage(AttributeTargets.Property)]
public abstract class OptionAttribute(string what, string takes) : Attribute
{
    /// <summary>What the option is for.</summary>
    public string What { get; } = what;

    /// <summary>What its value is.</summary>
    public string Takes { get; } = takes;

    /// <summary>"Port" in section Grid, on the command line --port; or with another section, "Gateway:QueueSize", on the
    /// command line --Gateway:QueueSize. Null: the property's name.</summary>
    public string? Key { get; set; }

    /// <summary>Other names on the command line, as other launchers have them: "--max-model-len".</summary>
    public string[] Aliases { get; set; } = [];

    /// <summary>The default in words, where the property's initial value does not say it.</summary>
    public string? Default { get; set; }

    /// <summary>The values that there are, where they can be listed; the first two of a switch are its "true" and "false".</summary>
    public virtual IReadOnlyList<string> Values => [];

    /// <summary>Whether the name alone means "true".</summary>
    public virtual bool IsSwitch => false;

    /// <summary>Reads a value for a property of this type. Throws <see cref="OptionValueException"/> with the rule it
    /// breaks.</summary>
    public abstract object Read(string value, Type type);

    /// <summary>A value as <see cref="Read"/> takes it.</summary>
    public virtual string Show(object value) => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!;
}

/// <summary>Makes the options of a property's value options of the whole: a room declares its own, a process composes them.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionsAttribute : Attribute;

/// <summary>Makes a property of <see cref="string"/>[] what a command line has beside options, in its order: "grid audit RECEIPT...".</summary>
/// <param name="what">What they are for, one line of the help text.</param>
/// <param name="takes">What each is, for the help text: "RECEIPT".</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OperandsAttribute(string what, string takes) : Attribute
{
    /// <summary>What they are for.</summary>
    public string What { get; } = what;

    /// <summary>What each is.</summary>
    public string Takes { get; } = takes;
}

/// <summary>A value that an option does not take. The message completes "it must ...", or is a sentence of its own.</summary>
public sealed class OptionValueException(string rule, bool isSentence = false) : Exception(rule)
{
    /// <summary>Whether the message stands for itself.</summary>
    public bool IsSentence { get; } = isSentence;
}
