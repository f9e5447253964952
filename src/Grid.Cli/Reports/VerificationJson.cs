using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli.Reports;

/// <summary>A verification as JSON.</summary>
internal static class VerificationJson
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The text.</summary>
    public static string Of(VerificationReport report) => new JsonObject
    {
        ["tool"] = $"grid {GridProgram.Version}",
        ["started"] = report.Started,
        ["equal"] = report.IsEqual,
        ["whole"] = report.IsWhole,
        ["total_samples"] = report.Total,
        ["servers"] = List(report.Servers, server => new JsonObject
        {
            ["url"] = server.Url.ToString(),
            ["api"] = server.Api,
            ["model"] = server.Model,
            ["system_fingerprint"] = server.Fingerprint,
            ["max_model_len"] = server.ContextTokens,
            ["workers"] = server.Workers,
            ["logprobs"] = server.GivesLogprobs,
        }),
        ["settings"] = new JsonObject
        {
            ["trials"] = report.Settings.Trials,
            ["temperature"] = report.Settings.Temperature,
            ["seed"] = report.Settings.Seed,
            ["max_new_tokens"] = report.Settings.MaxTokens,
            ["crowd"] = report.Settings.Crowd,
            ["long_prompt"] = report.Settings.LongPrompt,
        },
        ["notes"] = List(report.Notes, note => note),
        ["modes"] = List(report.Modes, ModeOf),
    }.ToJsonString(s_indented) + "\n";

    private static JsonObject ModeOf(ModeResult mode) => new()
    {
        ["name"] = mode.Name,
        ["state"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(mode.State.ToString()),
        ["reason"] = mode.Reason,
        ["trials"] = mode.Trials,
        ["trials_done"] = mode.TrialsDone,
        ["seconds"] = Math.Round(mode.Time.TotalSeconds, 3),
        ["equal"] = mode.IsEqual,
        ["notes"] = List(mode.Notes, note => note),
        ["cases"] = List(mode.Cases, one => new JsonObject
        {
            ["name"] = one.Name,
            ["total_samples"] = one.Total,
            ["unique_samples"] = one.Unique,
            ["questions"] = one.Questions,
            ["differing_questions"] = one.Differing,
            ["distinct_by_load"] = List(one.DistinctByLoad(), at => new JsonArray(at.Load, at.Distinct)),
            ["first_difference"] = one.First is not { } first ? null : new JsonObject
            {
                ["where"] = first.Group,
                ["token"] = first.Position < 0 ? null : first.Position,
                ["what"] = first.What,
                ["expected_in"] = first.Expected,
                ["found_in"] = first.Found,
                ["after"] = first.Before,
            },
        }),
    };

    private static JsonArray List<T>(IEnumerable<T> items, Func<T, JsonNode?> make) => new([.. items.Select(make)]);
}
