using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli.Terminal;

/// <summary>Modes of verification, with commas between; for a property of <see cref="string"/>[].</summary>
internal sealed class ModesOptionAttribute(string what) : OptionAttribute(what, "list")
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Values => Verifier.ModeNames;

    /// <inheritdoc/>
    public override object Read(string value, Type type)
    {
        string[] names = value.Split(',', StringSplitOptions.TrimEntries);
        return names.All(Values.Contains) && names.Distinct().Count() == names.Length
            ? names
            : throw new OptionValueException($"name modes, each once, with commas between; there are {string.Join(", ", Values)}");
    }

    /// <inheritdoc/>
    public override string Show(object value) => string.Join(',', (string[])value);
}
