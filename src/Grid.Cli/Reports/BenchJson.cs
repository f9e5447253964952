using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Cli.Bench;
using Grid.Options;

namespace Grid.Cli.Reports;

/// <summary>A measurement as JSON.</summary>
internal static class BenchJson
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>The text.</summary>
    public static string Of(BenchReport report) => new JsonObject
    {
        ["tool"] = $"grid {GridProgram.Version}",
        ["started"] = report.Started,
        ["url"] = report.Url.ToString(),
        ["api"] = report.Api,
        ["model"] = report.Model,
        ["title"] = report.Options.Title,
        ["prompt_tokens"] = report.Options.PromptTokens.Text,
        ["output_tokens"] = report.Options.OutputTokens.Text,
        ["shared_prefix"] = report.Options.SharedPrefix,
        ["prefix_groups"] = report.Options.PrefixGroups,
        ["samples"] = report.Options.Samples,
        ["temperature"] = report.Options.Temperature,
        ["seed"] = report.Options.Seed,
        ["runs"] = new JsonArray([.. report.Runs.Select(run => (JsonNode)RunOf(run))]),
    }.ToJsonString(s_indented) + "\n";

    private static JsonObject RunOf(BenchRun run) => new()
    {
        ["concurrency"] = run.Load.Concurrency,
        ["rate"] = run.Load.Rate,
        ["requests"] = run.Requests,
        ["failures"] = new JsonObject(run.Failures.Select(failure => KeyValuePair.Create(failure.Key, (JsonNode?)failure.Value))),
        ["seconds"] = run.Time.TotalSeconds,
        ["requests_per_second"] = run.RequestsPerSecond,
        ["output_tokens_per_second"] = run.TokensPerSecond,
        ["all_tokens_per_second"] = run.AllTokensPerSecond,
        ["decode_tokens_per_second"] = run.DecodePerSecond,
        ["share_of_target"] = run.OfTarget,
        ["good_requests_per_second"] = run.Goodput,
        ["prompt_tokens"] = run.PromptTokens,
        ["cached_prompt_tokens"] = run.CachedTokens,
        ["different_prompt_tokens"] = run.DifferentTokens,
        ["prefill_ratio"] = run.PrefillRatio,
        ["device_idle_share"] = run.Idle,
        ["ttft_ms"] = DistributionOf(run.First),
        ["itl_ms"] = DistributionOf(run.Between),
        ["tpot_ms"] = DistributionOf(run.PerToken),
        ["e2e_ms"] = DistributionOf(run.Whole),
    };

    private static JsonObject DistributionOf(Distribution values) => new()
    {
        ["count"] = values.Count,
        ["mean"] = values.Mean,
        ["p50"] = values.Percentile(0.5),
        ["p90"] = values.Percentile(0.9),
        ["p95"] = values.Percentile(0.95),
        ["p99"] = values.Percentile(0.99),
        ["max"] = values.Max,
    };
}
