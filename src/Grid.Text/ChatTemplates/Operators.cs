using System.Numerics;
using System.Text;

namespace Grid.Text.ChatTemplates;

/// <summary>Arithmetic as Python has it, on 64-bit integers and floats, and + and * on texts and lists.</summary>
internal static class Operators
{
    public static object? Apply(RenderState state, string symbol, object? left, object? right)
    {
        object? a = Python.AsNumber(left), b = Python.AsNumber(right);
        if (a is not null && b is not null)
        {
            return OfNumbers(symbol, a, b);
        }

        switch (symbol, left, right)
        {
            case ("+", string x, string y):
                state.ChargeText((long)x.Length + y.Length);
                return x + y;
            case ("+", TemplateList x, TemplateList y) when x.IsTuple == y.IsTuple:
                state.Charge(x.Items.Count + y.Items.Count);
                return new TemplateList([.. x.Items, .. y.Items], x.IsTuple);
            case ("*", string text, _) when b is long times:
                return Repeat(state, text, times);
            case ("*", _, string text) when a is long times:
                return Repeat(state, text, times);
            default:
                throw (left as Undefined ?? right as Undefined)?.Fault()
                    ?? new TemplateFault($"'{symbol}' is not supported between {Python.TypeName(left)} and {Python.TypeName(right)}");
        }
    }

    private static string Repeat(RenderState state, string text, long times)
    {
        times = Math.Max(times, 0);
        state.ChargeText(text.Length == 0 ? 0 : times > int.MaxValue ? long.MaxValue : times * text.Length);
        return text.Length == 0 ? "" : new StringBuilder().Insert(0, text, (int)times).ToString();
    }

    private static object OfNumbers(string symbol, object a, object b)
    {
        if (a is BigInteger || b is BigInteger)
        {
            throw new TemplateFault("arithmetic on integers of more than 64 bits is not supported");
        }

        if (symbol is "/" or "//" or "%" && Python.ToDouble(b) == 0)
        {
            throw new TemplateFault("division by zero");
        }

        try
        {
            return symbol != "/" && a is long x && b is long y && !(symbol == "**" && y < 0)
                ? OfIntegers(symbol, x, y)
                : OfFloats(symbol, Python.ToDouble(a), Python.ToDouble(b));
        }
        catch (OverflowException)
        {
            throw new TemplateFault("the result is an integer of more than 64 bits, which is not supported");
        }
    }

    private static object OfIntegers(string symbol, long x, long y)
    {
        checked
        {
            switch (symbol)
            {
                case "+":
                    return x + y;
                case "-":
                    return x - y;
                case "*":
                    return x * y;
                case "//" when y == -1:
                    return -x;
                case "//":
                    return (x / y) - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
                case "%" when y == -1:
                    return 0L;
                case "%":
                    long rest = x % y;
                    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
                default:
                    return (long)BigInteger.Pow(x, y > 64 && Math.Abs(x) > 1 ? 64 : (int)Math.Min(y, 64 + (y & 1)));
            }
        }
    }

    private static double OfFloats(string symbol, double x, double y) => symbol switch
    {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "//" => Math.Floor(x / y),
        "%" => x - (y * Math.Floor(x / y)),
        _ => Math.Pow(x, y),
    };
}
