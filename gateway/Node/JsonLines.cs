using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Grid.Gateway.Node;

/// <summary>What a node says of its start, as the lines of a JSON log have it: for who reads standard output with a program.</summary>
internal sealed class JsonLines(TextWriter inner, TimeProvider time) : TextWriter
{
    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly StringBuilder _line = new();

    /// <inheritdoc/>
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc/>
    public override void Write(char value)
    {
        if (value != '\n')
        {
            _line.Append(value);
            return;
        }
        string message = _line.ToString().Trim();
        _line.Clear();
        if (message.Length > 0)
        {
            inner.WriteLine(JsonSerializer.Serialize(new
            {
                Timestamp = time.GetUtcNow().ToString(NodeLogs.Timestamp, CultureInfo.InvariantCulture),
                EventId = 0,
                LogLevel = nameof(LogLevel.Information),
                Category = "Grid",
                Message = message,
            }, s_json));
        }
    }

    /// <inheritdoc/>
    public override void Flush() => inner.Flush();
}
