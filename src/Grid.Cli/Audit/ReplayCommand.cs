using System.Text.Json.Nodes;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli.Audit;

/// <summary>"grid replay".</summary>
internal static class ReplayCommand
{
    /// <summary>Its options.</summary>
    public static GridProgram<ReplayOptions> Program { get; } = new(
        "grid", "grid replay", "Has a grid compute an answer of a short while ago again, token by token, and compares it with its receipt. Exit code 0: the same. 1: not. 2: wrong "
            + "options, a server that cannot be reached, or no receipt under this id.", "replay");

    /// <summary>Runs it, and gives the exit code.</summary>
    public static async Task<int> RunAsync(ReplayOptions options, StopSignals signals)
    {
        if (options.Ids is not [var id])
        {
            throw new StartException("name one answer by its X-Sequence-Id: grid replay ID --url URL.", StartException.Usage);
        }

        var body = new JsonObject { ["index"] = options.Index };
        if (options.Worker is { } worker)
        {
            body["worker"] = worker;
        }

        try
        {
            using var connection = options.Server.Connect(options.Server.Url);
            var found = await Recomputation.AskAsync(connection, $"v1/sequences/{Uri.EscapeDataString(id)}/replay", body, id, signals.Asked);
            Console.WriteLine(found.Verdict switch
            {
                Verdict.Verified => FormattableString.Invariant($"{id}: the same, {found.Tokens} tokens and their logits."),
                Verdict.Refuted => $"{id}: DIFFERENT: {found.Reason}",
                _ => throw new StartException($"{id} was not replayed: {found.Reason}", StartException.Usage),
            });
            return found.Verdict == Verdict.Verified ? 0 : 1;
        }
        catch (ServerException exception)
        {
            throw new StartException(exception.Message, StartException.Usage);
        }
        catch (OperationCanceledException) when (signals.Asked.IsCancellationRequested)
        {
            throw new StartException("stopped before the answer was computed.", signals.ExitCode);
        }
    }
}
