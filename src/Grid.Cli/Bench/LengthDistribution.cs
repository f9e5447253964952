using System.Globalization;
using Grid.Options;

namespace Grid.Cli.Bench;

/// <summary>How many tokens requests have: all the same, evenly between two bounds, or lognormal, as prompts of people are.</summary>
/// <param name="Text">As it was given.</param>
/// <param name="Least">The least of an even one, and of a fixed one the value.</param>
/// <param name="Most">The most.</param>
/// <param name="Median">Of a lognormal one; otherwise null.</param>
/// <param name="Sigma">Of the logarithm.</param>
internal sealed record LengthDistribution(string Text, int Least, int Most, double? Median = null, double Sigma = 0)
{
    /// <summary>The longest of a lognormal one, as a multiple of its median: what is beyond it is cut to it.</summary>
    private const int Tail = 8;

    /// <summary>Reads "512", "64-1024" or "lognormal:512:0.8"; null for anything else.</summary>
    public static LengthDistribution? Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts is ["lognormal", var median, var sigma])
        {
            return Number(median) is { } middle && middle <= int.MaxValue / Tail
                && double.TryParse(sigma, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double spread) && spread <= 4
                ? new LengthDistribution(text, 1, middle * Tail, middle, spread)
                : null;
        }

        int?[] bounds = [.. text.Split('-').Select(Number)];
        return bounds switch
        {
            [{ } all] => new LengthDistribution(text, all, all),
            [{ } least, { } most] when least <= most => new LengthDistribution(text, least, most),
            _ => null,
        };
    }

    /// <summary>One length.</summary>
    public int Draw(Random random)
    {
        if (Median is not { } median)
        {
            return random.Next(Least, Most + 1);
        }

        // Box and Muller.
        double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        return (int)Math.Clamp(Math.Round(median * Math.Exp(Sigma * normal)), Least, Most);
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= 1 ? number : null;
}

/// <summary>A <see cref="LengthDistribution"/>.</summary>
internal sealed class LengthsOptionAttribute(string what) : OptionAttribute(what, "lengths")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => LengthDistribution.Parse(value)
        ?? throw new OptionValueException("be a number of tokens (512), two with a dash (64-1024: evenly between them), or a median and a spread (lognormal:512:0.8)");
}

/// <summary>Numbers above zero, with commas between; for a property of <see cref="double"/>[], or of <see cref="int"/>[] if they must be whole.</summary>
internal sealed class NumbersOptionAttribute(string what, double most) : OptionAttribute(what, "list")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type)
    {
        double[] numbers = [.. value.Split(',').Select(one => double.TryParse(one, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) ? number : 0)];
        bool whole = type == typeof(int[]);
        return !numbers.All(number => number > 0 && number <= most && (!whole || number == Math.Floor(number)))
            ? throw new OptionValueException(string.Create(CultureInfo.InvariantCulture, $"be {(whole ? "whole " : "")}numbers above 0, to {most}, with commas between"))
            : whole ? Array.ConvertAll(numbers, number => (int)number) : numbers;
    }

    /// <inheritdoc/>
    public override string Show(object value) => string.Join(',', ((Array)value).Cast<IFormattable>().Select(one => one.ToString(null, CultureInfo.InvariantCulture)));
}

/// <summary>"32=4444": what decoding is compared with, by concurrency; for a property of a dictionary.</summary>
internal sealed class TargetsOptionAttribute(string what) : OptionAttribute(what, "list")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type)
    {
        var targets = new Dictionary<int, double>();
        foreach (string one in value.Split(','))
        {
            if (one.Split('=') is not [var at, var target] || !int.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out int concurrency)
                || !double.TryParse(target, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double rate) || rate <= 0 || !targets.TryAdd(concurrency, rate))
            {
                throw new OptionValueException("name each concurrency once with its tokens a second, such as 1=182,32=4444");
            }
        }

        return targets;
    }
}
