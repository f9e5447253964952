using System.Globalization;

namespace Grid.Options;

/// <summary>A whole number within bounds.</summary>
public class NumberOptionAttribute(string what, long min, long max, string takes = "number") : OptionAttribute(what, takes)
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => Convert.ChangeType(Whole(value), type, CultureInfo.InvariantCulture);

    /// <summary>The number. Throws <see cref="OptionValueException"/>.</summary>
    protected long Whole(string value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= min && number <= max
            ? number
            : throw new OptionValueException($"be a whole number{(Takes == "number" ? "" : $" of {Takes}")} from {min} to {max}");
}

/// <summary>A whole number within bounds, or -1 for what the property's <see langword="null"/> does not say.</summary>
public sealed class NumberOrNoneOptionAttribute(string what, long min, long max) : NumberOptionAttribute(what, min, max)
{
    /// <summary>What -1 reads as.</summary>
    public const int None = -1;

    /// <inheritdoc/>
    public override object Read(string value, Type type) => value == "-1" ? None : base.Read(value, type);
}

/// <summary>A time in whole seconds, or in whole milliseconds.</summary>
public sealed class DurationOptionAttribute(string what, long min, long max, bool inMilliseconds = false)
    : NumberOptionAttribute(what, min, max, inMilliseconds ? "milliseconds" : "seconds")
{
    private readonly TimeSpan _unit = inMilliseconds ? TimeSpan.FromMilliseconds(1) : TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public override object Read(string value, Type type) => Whole(value) * _unit;

    /// <inheritdoc/>
    public override string Show(object value) => base.Show((TimeSpan)value / _unit);
}

/// <summary>A share of a whole, within bounds.</summary>
public sealed class ShareOptionAttribute(string what, double min, double max) : OptionAttribute(what, "share")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share) && share >= min && share <= max
            ? share
            : throw new OptionValueException(string.Create(CultureInfo.InvariantCulture, $"be a share from {min} to {max}"));
}

/// <summary>A number within bounds.</summary>
public sealed class DecimalOptionAttribute(string what, double min, double max) : OptionAttribute(what, "number")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out double number)
            && number >= min && number <= max
            ? number
            : throw new OptionValueException(string.Create(CultureInfo.InvariantCulture, $"be a number from {min} to {max}"));
}

/// <summary>Bytes, as <see cref="ByteSize"/> reads them.</summary>
public sealed class SizeOptionAttribute(string what) : OptionAttribute(what, "size")
{
    /// <inheritdoc/>
    public override object Read(string value, Type type) => ByteSize.Parse(value);

    /// <inheritdoc/>
    public override string Show(object value) => ByteSize.Format((long)value);
}
