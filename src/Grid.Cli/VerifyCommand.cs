using Grid.Cli.Reports;
using Grid.Cli.Servers;
using Grid.Cli.Terminal;
using Grid.Cli.Verification;
using Grid.Options;

namespace Grid.Cli;

/// <summary>"grid verify".</summary>
internal static class VerifyCommand
{
    /// <summary>Exit code where an answer depended on its company.</summary>
    public const int Different = 1;

    /// <summary>Its options.</summary>
    public static GridProgram<VerifyOptions> Program { get; } = new(
        "grid", "grid verify", "Asks a server the same things in different company and compares texts, ids and logprobs by bits. Exit code 0: all equal. "
            + "1: a difference was found. 2: wrong options, or a server that cannot be reached or failed.", "verify");

    /// <summary>Runs it, and gives the exit code.</summary>
    public static async Task<int> RunAsync(VerifyOptions options, StopSignals signals)
    {
        ReportFile.RequireWritable("--json", options.Json);
        ReportFile.RequireWritable("--html", options.Html);
        var servers = new List<IAnsweringServer>();
        try
        {
            servers.Add(await ServerFinder.OpenAsync(options.Server, options.Server.Url, options.Vocabulary, signals.Asked));
            if (options.Against is { } other)
            {
                servers.Add(await ServerFinder.OpenAsync(options.Server, other, options.Vocabulary, signals.Asked));
            }

            return await RunAsync(servers, options, signals);
        }
        catch (ServerException exception)
        {
            throw new StartException(exception.Message, StartException.Usage);
        }
        catch (OperationCanceledException) when (signals.Asked.IsCancellationRequested)
        {
            throw new StartException("stopped before anything was asked.", signals.ExitCode);
        }
        finally
        {
            servers.ForEach(server => server.Dispose());
        }
    }

    private static async Task<int> RunAsync(IReadOnlyList<IAnsweringServer> servers, VerifyOptions options, StopSignals signals)
    {
        using var display = VerificationDisplay.Create(Console.Out);
        var report = await new Verifier(servers, options.Settings, display).RunAsync(signals.Asked);
        display.End(report);
        await ReportFile.WriteAsync(options.Json, () => VerificationJson.Of(report));
        await ReportFile.WriteAsync(options.Html, () => VerificationPage.Of(report));
        return !report.IsEqual ? Different
            : report.IsCancelled ? signals.ExitCode
            : report.IsWhole ? 0
            : StartException.Usage;
    }
}
