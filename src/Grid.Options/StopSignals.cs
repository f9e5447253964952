using System.Runtime.InteropServices;

namespace Grid.Options;

/// <summary>
/// SIGTERM and Ctrl+C, from a process's first moment to its last. The first asks it to stop, the second to do so at once, and the
/// third ends it as it is. What does not heed them in time does not hold the process up.
/// </summary>
public sealed class StopSignals : IDisposable
{
    /// <summary>What a shell reports for a program that Ctrl+C ended.</summary>
    private const int Interrupted = 130;

    /// <summary>How long a start may take to give up, and the rest of a process once it has been asked twice.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _asked = new();
    private readonly CancellationTokenSource _insisted = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly string _program;
    private int _count;
    private volatile bool _interrupted;
    private Timer? _deadline;

    /// <param name="program">What its sentences begin with.</param>
    public StopSignals(string program)
    {
        _program = program;
        _registrations = [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT }.Select(signal => PosixSignalRegistration.Create(signal, Take))];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Asked => _asked.Token;

    /// <summary>Cancelled by the second.</summary>
    public CancellationToken Insisted => _insisted.Token;

    /// <summary>The exit code of what a signal ended before its time: 130 for Ctrl+C, 0 for SIGTERM.</summary>
    public int ExitCode => _interrupted ? Interrupted : 0;

    /// <summary>Starts something, on another thread. After a signal the start has some seconds to give up; then, or at another signal, the
    /// process ends: nothing runs yet that would be lost.</summary>
    /// <param name="start">What to do, until <see cref="Asked"/>.</param>
    /// <returns>What was started; also where a signal came too late to keep it from it. Throws <see cref="StartException"/> with
    /// <see cref="ExitCode"/> where one did.</returns>
    public async Task<T> StartAsync<T>(Func<CancellationToken, Task<T>> start)
    {
        var starting = Task.Run(() => start(Asked), CancellationToken.None);
        await ((Task)starting).WaitAsync(Asked).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!starting.IsCompleted)
        {
            await Task.WhenAny(starting, Task.Delay(s_patience, Insisted));
        }

        if (!Asked.IsCancellationRequested || starting.IsCompletedSuccessfully)
        {
            return await starting;
        }

        string sentence = starting.Exception?.InnerException is StartException { Message: var message } ? message : "stopped before it was ready.";
        if (!starting.IsCompleted)
        {
            End(sentence);
        }

        throw new StartException(sentence, ExitCode);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_registrations, registration => registration.Dispose());
        _deadline?.Dispose();
    }

    private void Take(PosixSignalContext context)
    {
        context.Cancel = true;
        _interrupted = context.Signal == PosixSignal.SIGINT;
        switch (Interlocked.Increment(ref _count))
        {
            case 1:
                _asked.Cancel();
                break;
            case 2:
                Console.Error.WriteLine($"{_program}: asked to stop again: what still runs is ended now.");
                _deadline = new Timer(_ => End("it did not end by itself."), null, s_patience, Timeout.InfiniteTimeSpan);
                _insisted.Cancel();
                break;
            default:
                End("asked to stop a third time.");
                break;
        }
    }

    private void End(string sentence)
    {
        Console.Error.WriteLine($"{_program}: {sentence}");
        Environment.Exit(ExitCode);
    }
}
