using System.Diagnostics.CodeAnalysis;

namespace Grid.Grains.Placement;

/// <summary>
/// A grain key that says where its grain lives: "&lt;SiloAddress&gt;/&lt;rest&gt;". The address carries the silo's generation, so a
/// restarted node has other keys and a grain of a dead node is never placed anew.
/// </summary>
/// <param name="Silo">The silo the grain lives on.</param>
/// <param name="Rest">What the grain is on that silo; not empty, may contain slashes.</param>
public readonly record struct SiloKey(SiloAddress Silo, string Rest)
{
    /// <summary>The key as a string, the form grains are called by.</summary>
    public override string ToString() => $"{Silo.ToParsableString()}/{Rest}";

    /// <summary>Reads a key. Throws <see cref="FormatException"/> naming key and rule.</summary>
    public static SiloKey Parse(string key) => TryParse(key, out var parsed)
        ? parsed
        : throw new FormatException($"Grain key '{key}' must be '<address>:<port>@<generation>/<name>'.");

    /// <summary>Reads a key; false when it is not of this form.</summary>
    public static bool TryParse([NotNullWhen(true)] string? key, out SiloKey parsed)
    {
        parsed = default;
        int slash = key?.IndexOf('/', StringComparison.Ordinal) ?? -1;
        if (slash <= 0 || slash == key!.Length - 1)
        {
            return false;
        }

        try
        {
            parsed = new SiloKey(SiloAddress.FromParsableString(key[..slash]), key[(slash + 1)..]);
            return true;
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or IndexOutOfRangeException or OverflowException)
        {
            return false;
        }
    }
}
