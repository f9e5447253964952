using System.Globalization;
using Grid.Options;

namespace Grid.Silo.Options;

/// <summary>What a device computes with.</summary>
public enum DeviceKind
{
    /// <summary>The machine's processor.</summary>
    Cpu,

    /// <summary>A GPU.</summary>
    Cuda,
}

/// <summary>A device that was asked for.</summary>
/// <param name="Kind">What it computes with.</param>
/// <param name="Ordinal">The GPU's number among those that the process sees; null: all of them.</param>
public readonly record struct RequestedDevice(DeviceKind Kind, int? Ordinal = null);

/// <summary>The devices that a node computes on, as --device says it.</summary>
public sealed record DeviceSelection
{
    private const string Rule = "be auto, cpu, cuda, or a list of cpu and cuda:N such as cuda:0,cuda:1";
    private const int MaxDevices = 64;

    private DeviceSelection(IReadOnlyList<RequestedDevice> devices) => Devices = devices;

    /// <summary>Every GPU that Grid can use, or the CPU where there is none.</summary>
    public static DeviceSelection Auto { get; } = new([]);

    /// <summary>The devices asked for, in that order; none for <see cref="Auto"/>.</summary>
    public IReadOnlyList<RequestedDevice> Devices { get; }

    /// <summary>Whether the machine decides.</summary>
    public bool IsAuto => Devices.Count == 0;

    /// <summary>Reads "auto", "cpu", "cuda", or a list of "cpu" and "cuda:N". Throws <see cref="OptionValueException"/> with
    /// the rule.</summary>
    public static DeviceSelection Parse(string value)
    {
        if (value == "auto")
        {
            return Auto;
        }

        if (value == "cuda")
        {
            return new([new RequestedDevice(DeviceKind.Cuda)]);
        }

        RequestedDevice[] devices = [.. value.Split(',').Select(ParseOne)];
        if (devices.Length > MaxDevices)
        {
            throw new OptionValueException($"name at most {MaxDevices} devices");
        }

        return devices.Where(device => device.Kind == DeviceKind.Cuda).GroupBy(device => device.Ordinal).Any(same => same.Count() > 1)
            ? throw new OptionValueException("name a GPU only once")
            : new(devices);
    }

    private static RequestedDevice ParseOne(string name)
    {
        if (name == "cpu")
        {
            return new RequestedDevice(DeviceKind.Cpu);
        }

        const string Prefix = "cuda:";
        return name.StartsWith(Prefix, StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal)
            ? new RequestedDevice(DeviceKind.Cuda, ordinal)
            : throw new OptionValueException(Rule);
    }
}
