using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Cli.Reports;
using Grid.Cli.Servers;
using Grid.Cli.Terminal;
using Grid.Cli.Verification;
using Grid.Options;
using Spectre.Console;

namespace Grid.Cli.Audit;

/// <summary>"grid audit".</summary>
internal static class AuditCommand
{
    /// <summary>Exit code where a receipt does not hold.</summary>
    private const int Refuted = 1;

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Its options.</summary>
    public static GridProgram<AuditOptions> Program { get; } = new(
        "grid", "grid audit", "Has a grid compute receipts again, and says which hold. Exit code 0: all hold. 1: one does not. 2: wrong options, a server that cannot "
            + "be reached, or receipts that could not be checked.", "audit");

    /// <summary>Runs it, and gives the exit code.</summary>
    public static async Task<int> RunAsync(AuditOptions options, StopSignals signals)
    {
        if (options.Receipts.Length == 0)
        {
            throw new StartException("name at least one file of receipts: grid audit RECEIPT... --url URL.", StartException.Usage);
        }

        ReportFile.RequireWritable("--json", options.Json);
        FoundReceipt[] receipts = [.. options.Receipts.SelectMany(ReceiptFiles.Read)];
        long start = Stopwatch.GetTimestamp();
        var found = new ConcurrentDictionary<int, Recomputation>();
        string? lost = null;
        try
        {
            using var connection = options.Server.Connect(options.Server.Url);
            using var progress = Console.IsOutputRedirected ? null : new LiveView(AnsiConsole.Console, View(0, receipts.Length));
            await Parallel.ForEachAsync(
                Enumerable.Range(0, receipts.Length), new ParallelOptions { MaxDegreeOfParallelism = options.Concurrency, CancellationToken = signals.Asked },
                async (i, stop) =>
                {
                    found[i] = await CheckAsync(connection, receipts[i], options, stop);
                    progress?.Show(View(found.Count, receipts.Length));
                });
        }
        catch (ServerException exception)
        {
            lost = exception.Message; // What was found so far is shown.
        }
        catch (OperationCanceledException) when (signals.Asked.IsCancellationRequested)
        {
            // And here.
        }

        Recomputation[] all = [.. found.OrderBy(one => one.Key).Select(one => one.Value)];
        if (lost is not null && all.Length == 0)
        {
            throw new StartException(lost, StartException.Usage);
        }

        Write(all, receipts.Length, Stopwatch.GetElapsedTime(start));
        await ReportFile.WriteAsync(options.Json, () => JsonOf(all));
        if (lost is not null)
        {
            await Console.Error.WriteLineAsync($"grid: {lost}");
        }

        return Count(all, Verdict.Refuted) > 0 ? Refuted
            : lost is not null ? StartException.Usage
            : all.Length < receipts.Length ? signals.ExitCode
            : Count(all, Verdict.Unchecked) > 0 || all.Length == 0 ? StartException.Usage
            : 0;
    }

    private static async Task<Recomputation> CheckAsync(ServerConnection connection, FoundReceipt receipt, AuditOptions options, CancellationToken cancellationToken)
    {
        if (receipt.Json is not { } json)
        {
            return new Recomputation(receipt.Where, Verdict.Unchecked, receipt.Fault, 0, null);
        }

        // A receipt, or one with its request beside it, as /v1/verify takes it.
        var body = json["receipt"] is JsonObject ? json.DeepClone().AsObject() : new JsonObject { ["receipt"] = json.DeepClone() };
        if (options.Worker is { } worker)
        {
            body["worker"] = worker;
        }

        var found = await Recomputation.AskAsync(connection, "v1/verify", body, receipt.Where, cancellationToken);
        return options.SignedBy is { } key && found.Verdict == Verdict.Verified && !key.Equals(found.SignedBy, StringComparison.OrdinalIgnoreCase)
            ? found with { Verdict = Verdict.Refuted, Reason = $"signature: of {key} expected, {(found.SignedBy is { } other ? $"of {other}" : "none")} found" }
            : found;
    }

    private static void Write(Recomputation[] all, int receipts, TimeSpan time)
    {
        foreach (var one in all.Where(one => one.Verdict == Verdict.Refuted))
        {
            Console.WriteLine($"{one.Where}: REFUTED: {one.Reason}");
        }

        // What keeps one from being checked often keeps all.
        foreach (var alike in all.Where(one => one.Verdict == Verdict.Unchecked).GroupBy(one => one.Reason))
        {
            int others = alike.Count() - 1;
            Console.WriteLine(FormattableString.Invariant($"{alike.First().Where}{(others > 0 ? FormattableString.Invariant($" and {others} more") : "")}: not checked: {alike.Key}"));
        }

        int tokens = all.Sum(one => one.Tokens);
        Console.WriteLine(FormattableString.Invariant($"{receipts} receipts: {Count(all, Verdict.Verified)} verified, {Count(all, Verdict.Refuted)} refuted, {Count(all, Verdict.Unchecked)} not checked{(all.Length < receipts ? FormattableString.Invariant($", {receipts - all.Length} not reached") : "")}; {tokens} tokens in {time.TotalSeconds:0.0} s."));
    }

    private static string JsonOf(IEnumerable<Recomputation> all) => new JsonArray([.. all.Select(one => (JsonNode)new JsonObject
    {
        ["receipt"] = one.Where,
        ["verdict"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(one.Verdict.ToString()),
        ["reason"] = one.Reason,
        ["tokens"] = one.Tokens,
        ["signed_by"] = one.SignedBy,
    })]).ToJsonString(s_indented) + "\n";

    private static int Count(Recomputation[] all, Verdict verdict) => all.Count(one => one.Verdict == verdict);

    private static Text View(int done, int all) => new(FormattableString.Invariant($"{LiveView.Bar(done, all)} {done} of {all} receipts"));
}
