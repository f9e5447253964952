using System.Globalization;

namespace Grid.Options;

/// <summary>Sizes as operators write them: a number with B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB.</summary>
public static class ByteSize
{
    private static readonly (string Suffix, long Factor)[] s_units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1), ("", 1),
    ];

    /// <summary>Reads a size. Throws <see cref="OptionValueException"/> with the rule.</summary>
    public static long Parse(string value)
    {
        var (suffix, factor) = s_units.First(unit => value.EndsWith(unit.Suffix, StringComparison.OrdinalIgnoreCase));
        string digits = value[..^suffix.Length].Trim();
        if (decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number)
            && number > 0 && number * factor is >= 1 and <= 1L << 50)
        {
            return (long)(number * factor);
        }

        throw new OptionValueException("be a size such as 512MiB or 2GB");
    }

    /// <summary>A size in the unit that reads best.</summary>
    public static string Format(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.#} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.#} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.#} KiB"),
    };
}
