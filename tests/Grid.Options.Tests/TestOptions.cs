using System.Net;

namespace Grid.Options.Tests;

public enum Colour
{
    Red,
    LightBlue,
}

/// <summary>A room's options.</summary>
public sealed class RoomOptions
{
    [NumberOption("Most of them", 0, 9, Key = "Room:QueueSize")]
    public int QueueSize { get; set; } = 4;

    [DurationOption("How long", 20, 600, inMilliseconds: true, Default = "never")]
    public TimeSpan? HedgeAfter { get; set; }
}

/// <summary>A process with an option of every kind, composed of its own and a room's.</summary>
public class TestOptions
{
    [TextOption("A path", "folder")]
    public string? ModelPath { get; set; }

    [NameOption("A name")]
    public string ClusterId { get; set; } = "grid";

    [ChoiceOption("A colour", "auto=Red", "red", "blue=LightBlue")]
    public Colour Colour { get; set; }

    [SwitchOption("A switch")]
    public bool CrossCheck { get; set; }

    [NumberOption("A port", 0, 65535)]
    public int Port { get; set; } = 8000;

    [NumberOption("Bytes", 0, long.MaxValue)]
    public long MaxBytes { get; set; }

    [DurationOption("A time", 0, 60, Key = "DrainSeconds")]
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(20);

    [ShareOption("A share", 0.05, 0.99)]
    public double? Share { get; set; }

    [SizeOption("A size")]
    public long KvCacheMemory { get; set; } = 1 << 30;

    [AddressOption("Own")]
    public IPAddress Host { get; set; } = IPAddress.Loopback;

    [AddressOption("Others'", OfOthers = true)]
    public IPAddress? Advertised { get; set; }

    [EndPointOption("A place")]
    public IPEndPoint? Primary { get; set; }

    /// <summary>No option: it is not declared as one.</summary>
    public int Undeclared { get; set; }

    [Options]
    public RoomOptions Room { get; } = new();
}
