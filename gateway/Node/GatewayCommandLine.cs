using System.Globalization;
using System.Net;

namespace Grid.Gateway.Node;

/// <summary>Reads a gateway's few options strictly, from the command line over the configuration.</summary>
public static class GatewayCommandLine
{
    /// <summary>Section of these options in the configuration (Grid__Port=8001 in the environment).</summary>
    public const string Section = "Grid";

    /// <summary>The help text.</summary>
    public const string Help =
        "The grid's HTTP face in a process of its own: it joins the cluster of a silo on this machine.\n\n"
        + "  --host <address>           Address that HTTP listens on (127.0.0.1)\n"
        + "  --port <port>              Port that HTTP listens on; 0 takes a free one (8001)\n"
        + "  --primary <address:port>   The silo to join, as started with --silo-port (127.0.0.1:11111)\n"
        + "  --silo-port <port>         Port that other silos reach this one on; 0 takes a free one (0)\n"
        + "  --Gateway:<Name> <value>   Limits of the HTTP face; gateway/README.md lists them\n"
        + "  --help                     This text";

    private static readonly (string Name, string Key, Action<GatewayNodeOptions, string, string> Set)[] s_options =
    [
        ("--host", "Host", (options, spelled, value) => options.Host = IPAddress.TryParse(value, out var host)
            ? host
            : throw Wrong(spelled, value, "an IP address")),
        ("--port", "Port", (options, spelled, value) => options.Port = Port(spelled, value)),
        ("--silo-port", "SiloPort", (options, spelled, value) => options.SiloPort = Port(spelled, value)),
        ("--primary", "Primary", (options, spelled, value) => options.Primary = IPEndPoint.TryParse(value, out var primary) && primary.Port > 0
            ? primary
            : throw Wrong(spelled, value, "an IP address with a port, such as 127.0.0.1:11111")),
    ];

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
            (known.Set ?? throw Unknown(spelled))(options, spelled, setting.Value ?? "");
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
            if (known.Set is null && !isSetting)
            {
                throw Unknown(name);
            }
            var value = parts.Length == 2 ? parts[1]
                : ++i < args.Count ? args[i]
                : throw new GatewayOptionException($"{name} has no value; write {name} <value>.");
            if (isSetting)
            {
                settings[name[2..]] = value;
            }
            else
            {
                known.Set!(options, name, value);
            }
        }
        return (options, settings);
    }

    private static int Port(string spelled, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535
            ? port
            : throw Wrong(spelled, value, "a port from 0 to 65535");

    private static GatewayOptionException Unknown(string spelled) =>
        new($"{spelled} is not an option of the gateway; --help lists them.");

    private static GatewayOptionException Wrong(string spelled, string value, string rule) =>
        new($"{spelled} is '{value}'; it must be {rule}.");
}
