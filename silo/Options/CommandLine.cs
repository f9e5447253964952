using System.Reflection;
using Grid.Silo.Startup;

namespace Grid.Silo.Options;

/// <summary>
/// Reads a node's options strictly: a name that is not known, a value that is not allowed, an argument that belongs to
/// nothing are errors that name the option, the value and the rule. A small table and a strict reader are less than a
/// command-line library here: there is one command, and the same table reads the configuration system's spelling.
/// </summary>
public static class CommandLine
{
    /// <summary>Section of a node's options in the configuration.</summary>
    public const string Section = "Grid";

    /// <summary>What a command line asks for besides serving.</summary>
    public enum Request
    {
        /// <summary>Serve.</summary>
        Run,

        /// <summary>Print the options and end.</summary>
        Help,

        /// <summary>Print the version and end.</summary>
        Version,
    }

    /// <summary>
    /// Applies configuration first, then the command line over it. Other sections ("--Gateway:MaxJsonDepth=16") are
    /// returned for the configuration. Throws <see cref="StartException"/>.
    /// </summary>
    /// <param name="args">The command line.</param>
    /// <param name="configuration">Settings files and environment.</param>
    /// <param name="otherSections">Keys with a section of their own that are allowed on the command line.</param>
    public static (Request Request, NodeOptions Options, Dictionary<string, string?> Others) Read(
        IReadOnlyList<string> args, IConfiguration configuration, IReadOnlyCollection<string> otherSections)
    {
        var options = new NodeOptions();
        ApplyConfiguration(options, configuration.GetSection(Section));
        var others = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < args.Count; i++)
        {
            switch (args[i])
            {
                case "--help" or "-h":
                    return (Request.Help, options, others);
                case "--version":
                    return (Request.Version, options, others);
            }

            if (!args[i].StartsWith("--", StringComparison.Ordinal))
            {
                throw Wrong($"'{args[i]}' belongs to no option; options are written --name value or --name=value.");
            }

            int equals = args[i].IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? args[i] : args[i][..equals];
            var option = Find(name);
            string? key = option is null ? otherSections.FirstOrDefault(known => name.AsSpan(2).Equals(known, StringComparison.OrdinalIgnoreCase)) : null;
            if (option is null && key is null)
            {
                throw Unknown(name, OptionTable.All.Select(known => known.Name).Concat(otherSections.Select(known => "--" + known)));
            }

            if (!seen.Add(option?.Name ?? key!))
            {
                throw Wrong($"{name} is given twice; give it once.");
            }

            string value = equals >= 0 ? args[i][(equals + 1)..] : NextValue(args, ref i, option, name);
            if (option is not null)
            {
                Apply(option, options, name, value);
            }
            else
            {
                others[key!] = value;
            }
        }

        return (Request.Run, options, others);
    }

    /// <summary>The help text.</summary>
    public static string Help()
    {
        var lines = OptionTable.All.Select(option => ($"{option.Name} <{option.ValueName}>", option.Help))
            .Append(("--help", "This text")).Append(("--version", "The version")).ToArray();
        int width = lines.Max(line => line.Item1.Length);
        return "Grid serves a language model with reproducible bits. Without options: the demo model, this machine's CPU,\n"
            + "HTTP on port 8000. Options (in configuration: section Grid, e.g. Grid__Port=8000 in the environment):\n\n"
            + string.Join('\n', lines.Select(line => $"  {line.Item1.PadRight(width)}  {line.Item2}"));
    }

    /// <summary>The product's version.</summary>
    public static string Version { get; } =
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static NodeOption? Find(string name) => OptionTable.All.FirstOrDefault(option =>
        option.Name == name || name.Equals($"--{Section}:{option.Key}", StringComparison.OrdinalIgnoreCase));

    private static string NextValue(IReadOnlyList<string> args, ref int i, NodeOption? option, string name)
    {
        bool hasValue = i + 1 < args.Count && !args[i + 1].StartsWith("--", StringComparison.Ordinal);
        if (hasValue)
        {
            return args[++i];
        }

        return option is { IsSwitch: true } ? "true" : throw Wrong($"{name} has no value; it takes <{option?.ValueName ?? "value"}>.");
    }

    private static void ApplyConfiguration(NodeOptions options, IConfigurationSection section)
    {
        foreach (var setting in section.GetChildren())
        {
            var option = OptionTable.All.FirstOrDefault(known => known.Key.Equals(setting.Key, StringComparison.OrdinalIgnoreCase));
            if (option is null)
            {
                throw Unknown($"{Section}:{setting.Key}", OptionTable.All.Select(known => $"{Section}:{known.Key}"));
            }

            Apply(option, options, $"{Section}:{option.Key}", setting.Value ?? "");
        }
    }

    private static void Apply(NodeOption option, NodeOptions options, string spelled, string value)
    {
        try
        {
            option.Set(options, value);
        }
        catch (OptionValueException rule)
        {
            throw Wrong(rule.IsSentence ? $"{spelled} is '{value}': {rule.Message}." : $"{spelled} is '{value}'; it must {rule.Message}.");
        }
    }

    private static StartException Unknown(string name, IEnumerable<string> known) =>
        NearestName.Of(name, known) is { } nearest
            ? Wrong($"{name} is not an option of Grid; did you mean {nearest}?")
            : Wrong($"{name} is not an option of Grid; --help lists them.");

    private static StartException Wrong(string message) => new(message, StartException.Usage);
}
