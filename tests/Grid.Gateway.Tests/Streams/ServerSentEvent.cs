using System.Text.Json.Nodes;

namespace Grid.Tests.Streams;

/// <summary>An event; its id is null where it has none.</summary>
internal sealed record ServerSentEvent(string? Id, string Data)
{
    public JsonNode Json => JsonNode.Parse(Data)!;

    public static ServerSentEvent Read(string lines)
    {
        string[] split = lines.Split('\n');
        Assert.InRange(split.Length, 1, 2);
        Assert.StartsWith("data: ", split[^1], StringComparison.Ordinal);
        if (split.Length == 2)
        {
            Assert.StartsWith("id: ", split[0], StringComparison.Ordinal);
        }
        return new ServerSentEvent(split.Length == 2 ? split[0][4..] : null, split[^1][6..]);
    }
}
