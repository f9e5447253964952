using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Grid.Gateway.Http;

/// <summary>Values as error messages show them: JSON, shortened, without control characters.</summary>
internal static class JsonShown
{
    private const int MaxBytes = 64;

    /// <summary>A JSON value, shortened to what a message can bear.</summary>
    public static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => $"a list of {value.GetArrayLength()}",
        _ => Shorten(JsonMarshal.GetRawUtf8Value(value)),
    };

    /// <summary>A string, quoted and shortened.</summary>
    public static string Text(string text)
    {
        string head = text.Length <= MaxBytes ? text : text[..MaxBytes];
        string quoted = $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(head)}\"";
        return head.Length == text.Length ? quoted : quoted + "...";
    }

    private static string Shorten(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length <= MaxBytes)
        {
            return Encoding.UTF8.GetString(utf8);
        }
        int end = MaxBytes;
        // Step back to a character boundary: continuation bytes are 10xxxxxx.
        while ((utf8[end] & 0xC0) == 0x80)
        {
            end--;
        }
        return Encoding.UTF8.GetString(utf8[..end]) + "...";
    }
}
