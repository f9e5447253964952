using System.Globalization;
using System.Net;
using Grid.Clustering.Options;
using Grid.Sequences;

namespace Grid.Gateway.Node;

/// <summary>Reads a gateway's few options strictly, from the command line over the configuration.</summary>
public static class GatewayCommandLine
{
    /// <summary>Section of these options in the configuration (Grid__Port=8001 in the environment).</summary>
    public const string Section = "Grid";

    private static readonly Option[] s_options =
    [
        new("--host", "Host", "address", "Address that HTTP listens on (default 127.0.0.1)",
            (options, value) => options.Host = IPAddress.TryParse(value, out var host) ? host : throw new ClusterOptionException("be an IP address")),
        new("--port", "Port", "number", "Port that HTTP listens on; 0 takes a free one (default 8001)",
            (options, value) => options.Port = Port(value)),
        .. SequencesOptionTable.All.Select(option => new Option(
            option.Name, option.Key, option.ValueName, option.Help, (options, value) => option.Set(options.Sequences, value), option.IsSwitch)),
        new("--drain-seconds", "DrainSeconds", "seconds", "How long requests may go on at shutdown, before their clients are told to go on elsewhere (default 20)",
            (options, value) => options.DrainSeconds = Seconds(value)),
        .. ClusterOptionTable.All.Select(option => new Option(
            option.Name, option.Key, option.ValueName, option.Help, (options, value) => option.Set(options.Cluster, value), option.IsSwitch)),
    ];

    /// <summary>The help text.</summary>
    public static string Help
    {
        get
        {
            var lines = s_options.Select(option => ($"{option.Name} <{option.ValueName}>", option.Help))
                .Append(($"--{GatewayOptions.Section}:<Name> <value>", "Limits of the HTTP face; gateway/README.md lists them"))
                .Append(("--help", "This text")).ToArray();
            int width = lines.Max(line => line.Item1.Length);
            return "The grid's HTTP face in a process of its own: a node without devices that joins the cluster of the silos.\n"
                + "Options (in configuration: section Grid, e.g. Grid__Port=8001 in the environment):\n\n"
                + string.Join('\n', lines.Select(line => $"  {line.Item1.PadRight(width)}  {line.Item2}"));
        }
    }

    /// <summary>Gives the options, and settings of section <see cref="GatewayOptions.Section"/> by key. Throws
    /// <see cref="GatewayOptionException"/> naming option, value and rule.</summary>
    public static (GatewayNodeOptions Options, Dictionary<string, string?> Settings) Read(
        IReadOnlyList<string> args, IConfigurationSection section)
    {
        var options = new GatewayNodeOptions();
        foreach (var setting in section.GetChildren())
        {
            var spelled = $"{Section}:{setting.Key}";
            var known = Array.Find(s_options, option => option.Key.Equals(setting.Key, StringComparison.OrdinalIgnoreCase));
            Apply(known ?? throw Unknown(spelled), options, spelled, setting.Value ?? "");
        }
        var settings = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        for (var i = 0; i < args.Count; i++)
        {
            var parts = args[i].Split('=', 2);
            var name = parts[0];
            if (!seen.Add(name))
            {
                throw new GatewayOptionException($"{name} is given twice; give it once.");
            }
            var isSetting = name.StartsWith($"--{GatewayOptions.Section}:", StringComparison.OrdinalIgnoreCase);
            var known = Array.Find(s_options, option => option.Name == name);
            if (known is null && !isSetting)
            {
                throw Unknown(name);
            }
            var value = parts.Length == 2 ? parts[1] : NextValue(args, ref i, known, name);
            if (isSetting)
            {
                settings[name[2..]] = value;
            }
            else
            {
                Apply(known!, options, name, value);
            }
        }
        return (options, settings);
    }

    private static string NextValue(IReadOnlyList<string> args, ref int i, Option? option, string name)
    {
        if (i + 1 < args.Count && !args[i + 1].StartsWith("--", StringComparison.Ordinal))
        {
            return args[++i];
        }
        return option is { IsSwitch: true } ? "true" : throw new GatewayOptionException($"{name} has no value; write {name} <value>.");
    }

    private static void Apply(Option option, GatewayNodeOptions options, string spelled, string value)
    {
        try
        {
            option.Set(options, value);
        }
        catch (Exception rule) when (rule is ClusterOptionException or SequencesOptionException)
        {
            throw new GatewayOptionException($"{spelled} is '{value}'; it must {rule.Message}.");
        }
    }

    private static int Port(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535
            ? port
            : throw new ClusterOptionException("be a port from 0 to 65535");

    private static int Seconds(string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= 3600
            ? seconds
            : throw new ClusterOptionException("be a whole number from 0 to 3600");

    private static GatewayOptionException Unknown(string spelled) =>
        new($"{spelled} is not an option of the gateway; --help lists them.");

    private sealed record Option(
        string Name, string Key, string ValueName, string Help, Action<GatewayNodeOptions, string> Set, bool IsSwitch = false);
}
