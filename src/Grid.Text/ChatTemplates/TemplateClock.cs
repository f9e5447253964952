using System.Globalization;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>strftime_now(format): there only where the caller gives the time as a variable of that name, because what is
/// rendered must not depend on the clock. Formats as Python does in the C locale.</summary>
internal static class TemplateClock
{
    public const string Name = "strftime_now";

    private static readonly string[] Forms = ["yyyy-MM-dd", "yyyy-MM-ddTHH:mm", "yyyy-MM-ddTHH:mm:ss"];

    /// <summary>The function for a value of the variable.</summary>
    public static TemplateFunction At(object? value)
    {
        if (value is not string text || !DateTime.TryParseExact(text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
        {
            throw new TemplateFault($"the variable '{Name}' must be a time such as \"2026-01-05T14:03:09\"");
        }

        return new TemplateFunction(Name, (state, arguments) =>
        {
            string format = Python.Text(arguments.Bind(Name, 1, "format")[0], $"the argument of {Name}()");
            state.ChargeText(format.Length * 16L);
            return Format(time, format);
        });
    }

    private static string Format(DateTime time, string format)
    {
        var result = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }

            bool unpadded = i + 1 < format.Length && format[i + 1] == '-';
            i += unpadded ? 2 : 1;
            string field = Field(time, i < format.Length ? format[i] : '\0');
            result.Append(unpadded && field.Length > 1 && field.All(char.IsAsciiDigit) ? field.TrimStart('0').PadLeft(1, '0') : field);
        }

        return result.ToString();
    }

    private static string Field(DateTime time, char directive)
    {
        string? pattern = directive switch
        {
            'a' => "ddd",
            'A' => "dddd",
            'b' or 'h' => "MMM",
            'B' => "MMMM",
            'd' => "dd",
            'm' => "MM",
            'y' => "yy",
            'Y' => "yyyy",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            _ => null,
        };
        return directive switch
        {
            // A pattern of one letter would be a standard format, hence none is.
            _ when pattern is not null => time.ToString(pattern, CultureInfo.InvariantCulture),
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            '%' => "%",
            _ => throw new TemplateFault($"{Name}() does not know '%{(directive == '\0' ? "" : directive)}'"),
        };
    }
}
