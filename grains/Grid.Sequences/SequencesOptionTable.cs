using System.Globalization;

namespace Grid.Sequences;

/// <summary>One option of a node that takes requests.</summary>
/// <param name="Name">"--hedge-after".</param>
/// <param name="Key">Its name in the configuration.</param>
/// <param name="ValueName">What the value is, for the help text.</param>
/// <param name="Help">What the option does, one line.</param>
/// <param name="Set">Takes a value; throws <see cref="SequencesOptionException"/> with the rule it breaks.</param>
/// <param name="IsSwitch">Whether the name alone means "true".</param>
public sealed record SequencesOption(
    string Name, string Key, string ValueName, string Help, Action<SequencesOptions, string> Set, bool IsSwitch = false);

/// <summary>A value that an option does not take; the message completes "it must ...".</summary>
public sealed class SequencesOptionException(string rule) : Exception(rule);

/// <summary>The options of sequences; silos and gateways spell them alike.</summary>
public static class SequencesOptionTable
{
    /// <summary>In the order of the help text.</summary>
    public static IReadOnlyList<SequencesOption> All { get; } =
    [
        new("--hedge-after", "HedgeAfter", "milliseconds", "Start a sequence on a second, free worker too when no token has come for this long (default: never)",
            (options, value) => options.HedgeAfter = Milliseconds(value)),
        new("--cross-check", "CrossCheck", "true|false", "Have every sequence computed by two workers, and send only what both agree on (default false; cross_check asks for one request)",
            (options, value) => options.CrossCheck = bool.TryParse(value, out bool check) ? check : throw new SequencesOptionException("be true or false"), IsSwitch: true),
    ];

    private static TimeSpan Milliseconds(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is >= 20 and <= 600_000
            ? TimeSpan.FromMilliseconds(number)
            : throw new SequencesOptionException("be a whole number of milliseconds from 20 to 600000");
}
