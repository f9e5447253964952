using System.Globalization;
using System.Text;

namespace Grid.Cli.Verification;

/// <summary>Prompts that are the same everywhere and every time: entries of a harbour's log, no two alike.</summary>
internal static class LongText
{
    private static readonly string[] s_ships = ["barque", "schooner", "steamer", "trawler", "ketch", "cutter", "brig", "ferry", "lighter", "collier", "tug"];
    private static readonly string[] s_towns = ["Aldmouth", "Bresk", "Corran", "Dunmere", "Eskhaven", "Farsund", "Gullsay", "Hollin", "Inverlee", "Jarrow", "Kesh", "Lissow", "Morwen"];
    private static readonly string[] s_loads = ["tar", "salt", "rope", "timber", "wool", "coal", "slate", "herring", "oats", "glass", "iron", "tallow", "hops", "clay", "flax", "brick", "peat"];
    private static readonly string[] s_weather = ["a rising wind from the north", "fog until noon", "a calm sea", "heavy rain", "thin ice along the quay", "a clear night", "thunder in the west"];

    /// <summary>The first so many characters of it.</summary>
    public static string Of(int length)
    {
        var text = new StringBuilder("The log of the harbour master, as it was kept.\n");
        uint state = 1;
        int Next(int below)
        {
            state = (state * 1_664_525) + 1_013_904_223; // Numerical Recipes' generator: the same on every runtime.
            return (int)(state >> 8) % below;
        }

        for (int entry = 1; text.Length < length; entry++)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"Entry {entry}: the {s_ships[Next(s_ships.Length)]} from {s_towns[Next(s_towns.Length)]} landed {2 + Next(97)} barrels of {s_loads[Next(s_loads.Length)]} for {s_towns[Next(s_towns.Length)]}; the watch noted {s_weather[Next(s_weather.Length)]}.\n");
        }

        return text.ToString(0, length);
    }

    /// <summary>So many ids below a bound.</summary>
    public static IEnumerable<int> Ids(int length, int vocabulary)
    {
        uint state = 1;
        for (int i = 0; i < length; i++)
        {
            state = (state * 1_664_525) + 1_013_904_223;
            yield return (int)((state >> 8) % (uint)vocabulary);
        }
    }
}
