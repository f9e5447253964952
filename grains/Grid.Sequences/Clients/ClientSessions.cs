using Microsoft.Extensions.Hosting;

namespace Grid.Sequences.Clients;

/// <summary>The sequences that grid clients read from this silo. When it is asked to stop they may end within the grace time, as
/// those that came by HTTP may; the clients of the rest go on at another silo.</summary>
internal sealed class ClientSessions(IHostApplicationLifetime lifetime, GraceTime grace) : IHostedLifecycleService
{
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _open;

    /// <summary>Takes a session in, until <see cref="Leave"/>; false, and then without that, once the silo has been asked to
    /// stop.</summary>
    public bool TryEnter()
    {
        Interlocked.Increment(ref _open);
        if (!lifetime.ApplicationStopping.IsCancellationRequested)
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>A session has ended.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _open) == 0 && lifetime.ApplicationStopping.IsCancellationRequested)
        {
            _empty.TrySetResult();
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Before any service stops: grains go on meanwhile.
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        // What ends just now may not have seen the signal: looked for here, after it.
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, grace.Over);
        if (Volatile.Read(ref _open) > 0)
        {
            await _empty.Task.WaitAsync(over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
