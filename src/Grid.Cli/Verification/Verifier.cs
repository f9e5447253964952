using System.Diagnostics;
using Grid.Cli.Verification.Modes;

namespace Grid.Cli.Verification;

/// <summary>Asks a server, or two, the same things in different company, and compares the answers by bits.</summary>
/// <param name="servers">One, or two whose answers must be the same too.</param>
/// <param name="settings">What is asked.</param>
/// <param name="observer">Sees what is found while it runs.</param>
public sealed class Verifier(IReadOnlyList<IAnsweringServer> servers, VerificationSettings settings, IVerificationObserver observer)
{
    private static readonly Mode[] s_modes =
    [
        new SingleMode(), new PrefixMode(), new MixedMode(), new RadixCacheMode(), new PrefillDecodeMode(), new CrowdMode(), new SampledMode(), new ChunkMode(),
        new FailoverMode(),
    ];

    /// <summary>The modes that there are.</summary>
    public static IReadOnlyList<string> ModeNames { get; } = [.. s_modes.Select(mode => mode.Name)];

    /// <summary>What a mode does.</summary>
    public static string WhatIs(string mode) => s_modes.Single(one => one.Name == mode).What;

    /// <summary>Runs the modes one after the other. A mode in which a request failed is not whole, and the others run all the same. Throws
    /// <see cref="ServerException"/> where there is nothing to begin with.</summary>
    /// <param name="cancellationToken">Ends it: what was found so far is the result.</param>
    public async Task<VerificationReport> RunAsync(CancellationToken cancellationToken)
    {
        Mode[] modes = [.. settings.Modes.Select(name => s_modes.Single(mode => mode.Name == name))];
        var report = new VerificationReport(
            [.. servers.Select(server => server.Description)], settings, [.. modes.Select(mode => new ModeResult(mode.Name, mode.What, settings.Trials * servers.Count))])
        {
            Started = DateTimeOffset.UtcNow,
        };
        foreach (var (mode, result) in modes.Zip(report.Modes))
        {
            result.Reason = servers.Select(server => mode.WhyNot(server.Description)).FirstOrDefault(reason => reason is not null);
            result.State = result.Reason is null ? ModeState.Waiting : ModeState.Skipped;
        }

        observer.Planned(report);
        Prompts prompts;
        try
        {
            prompts = await Prompts.FitAsync(servers, settings, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Cancel(report);
            return report;
        }

        if (prompts.Cut is { } cut)
        {
            report.Note(cut);
        }

        foreach (var (mode, result) in modes.Zip(report.Modes).Where(pair => pair.Second.State == ModeState.Waiting))
        {
            await RunAsync(mode, result, report, prompts, cancellationToken);
            if (cancellationToken.IsCancellationRequested)
            {
                Cancel(report);
                break;
            }
        }

        foreach (var server in servers.Where(server => server.SentAgain > 0))
        {
            report.Note(FormattableString.Invariant($"{server.Description.Url} refused {server.SentAgain} requests for want of room; they were sent again. None of them had been answered."));
        }

        return report;
    }

    private async Task RunAsync(Mode mode, ModeResult result, VerificationReport report, Prompts prompts, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        result.State = ModeState.Running;
        observer.Moved(report, result);
        try
        {
            foreach (var server in servers)
            {
                string company = servers.Count > 1 ? server.Description.Url.ToString() : "";
                var run = new ModeRun(
                    server, prompts, settings, result, company, asSingles: servers.Count > 1, () => observer.Moved(report, result), cancellationToken);
                await mode.RunAsync(run);
                if (run.Fingerprints.Count > 1)
                {
                    result.Note($"The server's fingerprint changed meanwhile ({string.Join(", ", run.Fingerprints.Order(StringComparer.Ordinal))}): its answers are of several models.");
                }
            }

            result.State = ModeState.Done;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            result.State = ModeState.Cancelled;
        }
        catch (ServerException exception)
        {
            result.State = ModeState.Failed;
            result.Reason = exception.Message;
        }

        result.Time = Stopwatch.GetElapsedTime(start);
        observer.Moved(report, result);
    }

    private static void Cancel(VerificationReport report)
    {
        foreach (var mode in report.Modes.Where(mode => mode.State is ModeState.Waiting or ModeState.Running))
        {
            mode.State = ModeState.Cancelled;
        }
    }
}
