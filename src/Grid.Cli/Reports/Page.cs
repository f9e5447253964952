using System.Globalization;
using System.Net;
using System.Text;

namespace Grid.Cli.Reports;

/// <summary>A page of HTML that needs nothing beside it: no script, no font, no image.</summary>
internal sealed class Page
{
    private const string Style = """
        body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em;color:#1c2430;background:#fff}
        h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #d8dee6;padding-bottom:.2em}
        table{border-collapse:collapse;margin:.8em 0}th,td{text-align:left;padding:.25em .9em .25em 0;border-bottom:1px solid #e6eaf0;vertical-align:top}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.good{color:#18794e}.bad{color:#c0262d;font-weight:600}.dim{color:#65707f}
        pre{background:#f4f6f9;padding:.8em;overflow-x:auto}figure{display:inline-block;margin:.5em 1.2em .5em 0}figcaption{font-size:.85em;color:#65707f}
        """;

    private readonly StringBuilder _body = new();
    private readonly string _title;

    /// <param name="title">Its title and first heading.</param>
    public Page(string title)
    {
        _title = title;
        Add($"<h1>{Escape(title)}</h1>");
    }

    /// <summary>Text as HTML.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);

    /// <summary>Markup as it is.</summary>
    public void Add(string markup) => _body.Append(markup).Append('\n');

    /// <summary>A paragraph.</summary>
    public void Paragraph(string text, string style = "") => Add($"<p class=\"{style}\">{Escape(text)}</p>");

    /// <summary>A heading.</summary>
    public void Heading(string text) => Add($"<h2>{Escape(text)}</h2>");

    /// <summary>A table. Cells are markup; those that begin with a digit are set as numbers.</summary>
    public void Table(IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<string>> rows)
    {
        _body.Append("<table><tr>").AppendJoin("", heads.Select(head => $"<th>{Escape(head)}</th>")).Append("</tr>\n");
        foreach (var row in rows)
        {
            _body.Append("<tr>").AppendJoin("", row.Select(cell => $"<td{(cell.Length > 0 && char.IsAsciiDigit(cell[0]) ? " class=\"n\"" : "")}>{cell}</td>")).Append("</tr>\n");
        }

        _body.Append("</table>\n");
    }

    /// <summary>All of it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{Escape(_title)}</title><style>\n{Style}\n</style></head><body>\n{_body}</body></html>\n");
}
