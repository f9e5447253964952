using System.ComponentModel;

namespace Grid.Options;

/// <summary>Any text that is not empty.</summary>
public sealed class TextOptionAttribute(string what, string takes) : OptionAttribute(what, takes)
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => value.Length > 0 ? value : throw new OptionValueException("not be empty");
}

/// <summary>A name that is safe wherever names go: letters, digits, '-', '_' and '.'.</summary>
public sealed class NameOptionAttribute(string what) : OptionAttribute(what, "name")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) =>
        value.Length is > 0 and <= 100 && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? value
            : throw new OptionValueException("be 1 to 100 letters, digits, '-', '_' or '.'");
}

/// <summary>One of a few words. Each is a value of the property's type, or "word=Value" where they differ; of several words
/// for one value the first is shown.</summary>
public class ChoiceOptionAttribute(string what, params string[] choices)
    : OptionAttribute(what, string.Join('|', choices.Select(choice => choice.Split('=')[0])))
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Values { get; } = [.. choices.Select(choice => choice.Split('=')[0])];

    /// <inheritdoc/>
    public override object Read(string value, Type type)
    {
        int i = Values.ToList().FindIndex(word => word.Equals(value, StringComparison.OrdinalIgnoreCase));
        return i >= 0 ? ValueOf(choices[i], type) : throw new OptionValueException($"be {Listed()}");
    }

    /// <inheritdoc/>
    public override string Show(object value) => Values[Array.FindIndex(choices, choice => ValueOf(choice, value.GetType()).Equals(value))];

    private static object ValueOf(string choice, Type type) => TypeDescriptor.GetConverter(type).ConvertFromInvariantString(choice.Split('=')[^1])!;

    private string Listed() => Values.Count == 1 ? Values[0] : $"{string.Join(", ", Values.SkipLast(1))} or {Values[^1]}";
}

/// <summary>An option of another launcher that has one value here, and why: what asks for another one is refused with what to do
/// instead.</summary>
/// <param name="what">What the option is for.</param>
/// <param name="instead">What to do instead, a sentence without its full stop.</param>
/// <param name="values">The values that mean what is done anyway; "true" first makes a switch.</param>
public sealed class FixedOptionAttribute(string what, string instead, params string[] values) : OptionAttribute(what, string.Join('|', values))
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Values { get; } = values;

    /// <inheritdoc/>
    public override bool IsSwitch => Values[0] == "true";

    /// <inheritdoc/>
    public override object Read(string value, Type type) => Values.Contains(value, StringComparer.OrdinalIgnoreCase)
        ? value.ToLowerInvariant()
        : throw new OptionValueException(instead, isSentence: true);
}

/// <summary>True or false; the name alone means true.</summary>
public sealed class SwitchOptionAttribute(string what) : ChoiceOptionAttribute(what, "true", "false")
{
    /// <inheritdoc/>
    public override bool IsSwitch => true;
}
