using System.Runtime.CompilerServices;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Hosting;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Placement;

namespace Grid.Sequences.Clients;

/// <summary>Runs a grid client's sequence as this silo's gateway runs one that came by HTTP.</summary>
[NamedSiloPlacement, GrainDirectory(NamedSiloDirectory.Name), Immovable, Reentrant, GrainType(IClientSessionGrain.GrainTypeName)]
internal sealed class ClientSessionGrain(
    SequenceService sequences, WorkerDirectory workers, ClientSessions sessions, IHostApplicationLifetime lifetime, TimeProvider time)
    : Grain, IClientSessionGrain
{
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromMilliseconds(400);
    private static readonly ClientUpdate s_alive = new();

    private bool _gone;

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _gone = true;
        return base.OnDeactivateAsync(reason, cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ClientUpdate> Run(SequenceSpec spec, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!sessions.TryEnter())
        {
            try
            {
                yield return Refused("This silo is shutting down; another one takes the sequence.");
            }
            finally
            {
                LetGo();
            }

            yield break;
        }

        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var starting = TryStartAsync(spec, left.Token);
        IRunningSequence? sequence = null;
        try
        {
            while (!await ComesInTimeAsync(starting, cancellationToken))
            {
                yield return s_alive;
            }

            (sequence, var refusal) = await starting;
            if (sequence is null)
            {
                yield return new ClientUpdate { Refusal = refusal };
                yield break;
            }

            await using var updates = sequence.ReadUpdatesAsync(left.Token).GetAsyncEnumerator(left.Token);
            bool first = true;
            for (var next = updates.MoveNextAsync().AsTask(); ; next = updates.MoveNextAsync().AsTask())
            {
                while (!await ComesInTimeAsync(next, cancellationToken))
                {
                    yield return s_alive;
                }

                if (!await next)
                {
                    yield break;
                }

                yield return updates.Current.FinishReason == "error" && MayGoOnElsewhere(spec)
                    ? Refused(updates.Current.Error ?? "The sequence cannot go on here.")
                    : ToMessage(sequence, updates.Current, first);
                first = false;
            }
        }
        finally
        {
            await left.CancelAsync();
            await LeaveAsync(starting);
            sessions.Leave();
            LetGo();
        }
    }

    /// <summary>A silo that has let go of the grain is not asked for it again: Orleans throws then.</summary>
    private void LetGo()
    {
        if (!_gone)
        {
            DeactivateOnIdle();
        }
    }

    private async Task<(IRunningSequence? Sequence, Refusal? Refusal)> TryStartAsync(SequenceSpec spec, CancellationToken cancellationToken)
    {
        try
        {
            return (await sequences.StartAsync(spec, cancellationToken), null);
        }
        catch (RefusedException refused)
        {
            return (null, refused.Refusal);
        }
    }

    /// <summary>Whether a sequence failed for where it ran, and not for what it computes: this silo is leaving, or has lost the
    /// workers that could go on with it. Another silo, or the same a little later, may have them.</summary>
    private bool MayGoOnElsewhere(SequenceSpec spec) =>
        lifetime.ApplicationStopping.IsCancellationRequested
        || workers.Find(worker => worker.Status.ModelId == spec.Model && worker.Status.NumericsId == spec.NumericsId).Length < (spec.CrossCheck ? 2 : 1);

    private static ClientUpdate Refused(string reason) => new() { Refusal = Refusal.Unavailable(reason) };

    private async Task<bool> ComesInTimeAsync(Task task, CancellationToken cancellationToken)
    {
        if (!task.IsCompleted)
        {
            // Its timer ends with the task: updates come by the hundred a second.
            await task.WaitAsync(s_heartbeat, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return task.IsCompleted;
    }

    /// <summary>Ends the sequence, also one that was still being started.</summary>
    private static async Task LeaveAsync(Task<(IRunningSequence? Sequence, Refusal? Refusal)> starting)
    {
        try
        {
            if ((await starting).Sequence is { } sequence)
            {
                await sequence.DisposeAsync();
            }
        }
        catch (Exception)
        {
            // It never began; where that was a fault, the caller has it from the stream.
        }
    }

    private static ClientUpdate ToMessage(IRunningSequence sequence, SequenceUpdate update, bool first) => new()
    {
        PromptIds = first ? [.. sequence.PromptIds] : null,
        MaxNewTokens = first ? sequence.MaxNewTokens : 0,
        CachedTokens = first ? sequence.CachedTokens : 0,
        Text = update.Text,
        Tokens = ToMessage(update.Tokens),
        PromptTokens = ToMessage(update.PromptTokens),
        PromptFirstIndex = update.PromptFirstIndex,
        FinishReason = update.FinishReason,
        MatchedStopString = update.MatchedStop as string,
        MatchedStopToken = update.MatchedStop as int?,
        Error = update.Error,
    };

    private static ClientToken[] ToMessage(IReadOnlyList<ScoredToken> tokens) => [.. tokens.Select(token => new ClientToken(
        token.TokenId, token.Logprob, [.. token.Top.Select(top => new StepAlternative(top.Key, top.Value))]))];
}
