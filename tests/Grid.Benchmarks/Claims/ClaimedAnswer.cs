using System.Text;
using System.Text.Json;

namespace Grid.Benchmarks.Claims;

/// <summary>What must be the same in every company, as the server printed it.</summary>
/// <param name="Text">Ids, finish reason, fingerprint and every logprob, one line; logprobs are printed so that equal text is equal fp32.</param>
/// <param name="Ids">Output ids in it.</param>
/// <param name="Logprobs">Logprobs in it: of prompt and output tokens and of their alternatives.</param>
internal sealed record ClaimedAnswer(string Text, int Ids, int Logprobs)
{
    private static readonly string[] s_scores = ["input_token_logprobs", "output_token_logprobs"];
    private static readonly string[] s_alternatives = ["input_top_logprobs", "output_top_logprobs"];

    /// <summary>Reads an answer of /generate.</summary>
    public static ClaimedAnswer Read(string body)
    {
        using var document = JsonDocument.Parse(body);
        var ids = document.RootElement.GetProperty("output_ids");
        var meta = document.RootElement.GetProperty("meta_info");
        var text = new StringBuilder(ids.GetRawText());
        foreach (string name in (string[])["finish_reason", "system_fingerprint", .. s_scores, .. s_alternatives])
        {
            text.Append(' ').Append(meta.GetProperty(name).GetRawText());
        }

        int logprobs = s_scores.Sum(name => meta.GetProperty(name).EnumerateArray().Count(IsScored))
            + s_alternatives.Sum(name => meta.GetProperty(name).EnumerateArray().Sum(list => list.ValueKind == JsonValueKind.Array ? list.GetArrayLength() : 0));
        return new ClaimedAnswer(text.ToString(), ids.GetArrayLength(), logprobs);
    }

    /// <summary>A triple whose logprob is not null, as the first prompt token's is.</summary>
    private static bool IsScored(JsonElement triple) => triple[0].ValueKind == JsonValueKind.Number;
}
