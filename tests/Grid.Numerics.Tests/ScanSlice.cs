using System.Globalization;

namespace Grid.Numerics.Tests;

/// <summary>Which part of a scan of every float is done: an eighth, spread over all of its range, and every day the next one, so
/// that eight days see all of it. <c>GRID_SCAN_SLICE</c> says another (0 to 7), or <c>all</c>.</summary>
/// <param name="Number">The slice; null for all of them.</param>
internal readonly record struct ScanSlice(int? Number)
{
    /// <summary>Slices of a scan.</summary>
    public const int Count = 8;

    /// <summary>What is done in this run.</summary>
    public static ScanSlice OfThisRun { get; } = Read(Environment.GetEnvironmentVariable("GRID_SCAN_SLICE"));

    /// <summary>All of a scan.</summary>
    public static ScanSlice Whole => new(null);

    /// <summary>The slice that a setting names; today's without one.</summary>
    public static ScanSlice Read(string? setting) => setting switch
    {
        null or "" => new(DateOnly.FromDateTime(DateTime.UtcNow).DayNumber % Count),
        "all" => Whole,
        _ when int.TryParse(setting, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < Count => new(number),
        _ => throw new ArgumentException($"GRID_SCAN_SLICE is '{setting}'; it is 0 to {Count - 1}, or all."),
    };

    /// <summary>Whether one of many equal parts of a scan, in order, belongs to it.</summary>
    public bool Has(int part) => Number is not { } number || part % Count == number;

    public override string ToString() => Number is { } number ? $"GRID_SCAN_SLICE={number}" : "GRID_SCAN_SLICE=all";
}
