using System.Reflection;
using System.Text.RegularExpressions;

namespace Grid.Options;

/// <summary>An option that a process has: its declaration, and where its value goes.</summary>
/// <param name="Declaration">As declared on the property.</param>
/// <param name="Path">From the process's options to the property.</param>
internal sealed partial record DeclaredOption(OptionAttribute Declaration, IReadOnlyList<PropertyInfo> Path)
{
    /// <summary>The section of options that name none.</summary>
    public const string DefaultSection = "Grid";

    /// <summary>In the configuration: "Grid:Port".</summary>
    public string Key { get; } = Declaration.Key is { } key && key.Contains(':', StringComparison.Ordinal)
        ? key
        : $"{DefaultSection}:{Declaration.Key ?? Path[^1].Name}";

    /// <summary>The key's first part.</summary>
    public string Section => Key[..Key.IndexOf(':', StringComparison.Ordinal)];

    /// <summary>The key's spelling on the command line, which always works: "--Grid:Port".</summary>
    public string LongName => $"--{Key}";

    /// <summary>On the command line: "--port", or "--Gateway:QueueSize".</summary>
    public string Name => Section == DefaultSection
        ? $"--{WordStart().Replace(Key[(DefaultSection.Length + 1)..], "-$0").ToLowerInvariant()}"
        : LongName;

    /// <summary>What else the command line takes for it; help names the aliases only.</summary>
    public IEnumerable<string> OtherNames => [.. Declaration.Aliases, .. Name == LongName ? [] : (string[])[LongName]];

    /// <summary>The options of a type and of what it is composed of, in the order of their properties.</summary>
    public static IEnumerable<DeclaredOption> Of(Type type, params PropertyInfo[] path) => type.GetProperties().SelectMany(property =>
        property.GetCustomAttribute<OptionAttribute>() is { } declaration ? [new DeclaredOption(declaration, [.. path, property])]
        : property.IsDefined(typeof(OptionsAttribute)) ? Of(property.PropertyType, [.. path, property])
        : Enumerable.Empty<DeclaredOption>());

    /// <summary>What it is for, with its default.</summary>
    public string Describe(object defaults)
    {
        object? value = Path[^1].GetValue(Owner(defaults));
        string? shown = Declaration.Default ?? (value is null ? null : Declaration.Show(value));
        string what = Declaration.Aliases.Length == 0 ? Declaration.What : $"{Declaration.What}; also {string.Join(", ", Declaration.Aliases)}";
        return shown is null ? what : $"{what} (default: {shown})";
    }

    /// <summary>Takes a value. Throws <see cref="StartException"/> naming the option as it was spelled, value and rule.</summary>
    public void Set(object options, string spelled, string value)
    {
        try
        {
            var type = Path[^1].PropertyType;
            Path[^1].SetValue(Owner(options), Declaration.Read(value, Nullable.GetUnderlyingType(type) ?? type));
        }
        catch (OptionValueException rule)
        {
            throw new StartException(
                rule.IsSentence ? $"{spelled} is '{value}': {rule.Message}." : $"{spelled} is '{value}'; it must {rule.Message}.", StartException.Usage);
        }
    }

    private object Owner(object options) => Path.SkipLast(1).Aggregate(options, (owner, property) => property.GetValue(owner)!);

    [GeneratedRegex("(?<!^)[A-Z]")]
    private static partial Regex WordStart();
}
