using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Options;

namespace Grid.Cli.Audit;

/// <summary>A receipt as it was found.</summary>
/// <param name="Where">File, and where that has several which of them.</param>
/// <param name="Json">It, or what lies around it: {"receipt": ..., "request": ...}. Null where it cannot be read.</param>
/// <param name="Fault">Why it cannot be read.</param>
internal sealed record FoundReceipt(string Where, JsonNode? Json, string? Fault);

/// <summary>Files of receipts.</summary>
internal static class ReceiptFiles
{
    /// <summary>All receipts of a file: one, a list, or one on each line. What is none comes along with the reason. Throws <see cref="StartException"/> for
    /// a file that cannot be read.</summary>
    public static IEnumerable<FoundReceipt> Read(string path)
    {
        string text;
        try
        {
            text = path == "-" ? Console.In.ReadToEnd() : File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new StartException($"'{path}' cannot be read: {exception.Message}", StartException.Usage);
        }

        return Parse(text) switch
        {
            JsonArray list => list.Select((one, i) => Take(FormattableString.Invariant($"{path}[{i}]"), one)),
            { } one => [Take(path, one)],
            null => text.Split('\n').Select((line, i) => (Line: line, Number: i + 1)).Where(line => !string.IsNullOrWhiteSpace(line.Line))
                .Select(line => Take(FormattableString.Invariant($"{path}:{line.Number}"), Parse(line.Line))),
        };
    }

    private static FoundReceipt Take(string where, JsonNode? json) => json is JsonObject
        ? new FoundReceipt(where, json, null)
        : new FoundReceipt(where, null, "is no receipt: it must be a JSON object");

    private static JsonNode? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
