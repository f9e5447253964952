using System.Globalization;
using System.Text;

namespace Grid.Cli.Reports;

/// <summary>A plot as SVG: lines over an axis of numbers, both from zero.</summary>
internal static class Plot
{
    private const int Width = 420;
    private const int Height = 200;
    private const int Left = 56;
    private const int Bottom = 34;
    private const int Margin = 12;
    private static readonly string[] s_colours = ["#2563a8", "#c0262d", "#18794e", "#b26a00", "#6b3fa0", "#00788a", "#8a5a44", "#555f6e"];

    /// <summary>Draws it, as a figure of HTML.</summary>
    /// <param name="caption">What it shows.</param>
    /// <param name="across">What the horizontal axis has.</param>
    /// <param name="series">Lines, each with a name and its points, in order.</param>
    public static string Draw(string caption, string across, IReadOnlyList<(string Name, IReadOnlyList<(double X, double Y)> Points)> series)
    {
        double maxX = Ceiling(series.SelectMany(one => one.Points).Select(point => point.X).DefaultIfEmpty(1).Max());
        double maxY = Ceiling(series.SelectMany(one => one.Points).Select(point => point.Y).DefaultIfEmpty(1).Max());
        double X(double x) => Left + (x / maxX * (Width - Left - Margin));
        double Y(double y) => Height - Bottom - (y / maxY * (Height - Bottom - Margin));
        var svg = new StringBuilder();
        int legend = series.Count > 1 ? 18 * series.Count : 0;
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height + legend}\" width=\"{Width}\" height=\"{Height + legend}\" role=\"img\" font-family=\"system-ui,sans-serif\" font-size=\"11\">");
        for (int i = 0; i <= 4; i++)
        {
            double x = maxX * i / 4, y = maxY * i / 4;
            svg.Append(CultureInfo.InvariantCulture, $"<line x1=\"{Left}\" x2=\"{Width - Margin}\" y1=\"{Y(y):0.#}\" y2=\"{Y(y):0.#}\" stroke=\"#e1e6ed\"/>");
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 6}\" y=\"{Y(y) + 4:0.#}\" text-anchor=\"end\">{y:0.###}</text>");
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(x):0.#}\" y=\"{Height - Bottom + 14}\" text-anchor=\"middle\">{x:0.###}</text>");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{(Left + Width - Margin) / 2}\" y=\"{Height - 4}\" text-anchor=\"middle\">{Page.Escape(across)}</text>");
        for (int i = 0; i < series.Count; i++)
        {
            string colour = s_colours[i % s_colours.Length];
            svg.Append(CultureInfo.InvariantCulture, $"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"");
            svg.AppendJoin(' ', series[i].Points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.X):0.#},{Y(point.Y):0.#}"))).Append("\"/>");
            foreach (var (x, y) in series[i].Points)
            {
                svg.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(x):0.#}\" cy=\"{Y(y):0.#}\" r=\"2.2\" fill=\"{colour}\"/>");
            }

            if (legend > 0)
            {
                int at = Height + 10 + (18 * i);
                svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{Left}\" y=\"{at - 8}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{Left + 16}\" y=\"{at + 1}\">{Page.Escape(series[i].Name)}</text>");
            }
        }

        return $"<figure>{svg}</svg><figcaption>{Page.Escape(caption)}</figcaption></figure>";
    }

    /// <summary>The next number that four steps of an axis divide well.</summary>
    private static double Ceiling(double value)
    {
        if (value <= 0)
        {
            return 1;
        }

        double power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return ((double[])[1, 2, 4, 6, 8, 10]).First(step => step * power >= value * 0.999999) * power;
    }
}
