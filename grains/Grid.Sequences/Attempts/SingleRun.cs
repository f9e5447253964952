using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging;

namespace Grid.Sequences.Attempts;

/// <summary>
/// One attempt at a time, and another elsewhere when its worker is lost. With <see cref="SequencesOptions.HedgeAfter"/> a
/// second one is started when no token has come for that long: the one that delivers first goes on, the other ends. Both
/// begin with the same output and give the same bits, so no token is missed and none comes twice.
/// </summary>
internal sealed partial class SingleRun(RunContext context, ILogger logger) : ISequenceRun
{
    private SequenceAttempt? _attempt;
    private SequenceAttempt? _hedge;
    private int _quietTicks;
    private bool _hedged;

    /// <inheritdoc/>
    public SequenceAttempt? Current => _attempt;

    /// <inheritdoc/>
    public async Task<Refusal?> BeginAsync(LiveWorker[] candidates)
    {
        (_attempt, var refusal) = await context.Launcher.BeginAsync(context.Launcher.Fits, candidates);
        return refusal;
    }

    /// <inheritdoc/>
    public Task TakeAsync(SequenceEvent item)
    {
        if (item.IsTick)
        {
            Tick();
        }
        else if (_hedge is { } hedge && item.Attempt == hedge.Id)
        {
            return TakeOfHedgeAsync(hedge, item);
        }
        else if (item.Attempt == _attempt?.Id)
        {
            return TakeOfAttemptAsync(item);
        }

        return Task.CompletedTask; // An older epoch's news counts for nothing.
    }

    /// <inheritdoc/>
    public void Leave()
    {
        _attempt?.Leave();
        _hedge?.Leave();
        (_attempt, _hedge) = (null, null);
    }

    private static bool Delivers(SequenceEvent item) =>
        item.Batch!.Sequences[item.Index] is { OutputTokenCount: > 0 } or { PromptTokenCount: > 0 } or { Finish: not StepFinish.None };

    private async Task TakeOfAttemptAsync(SequenceEvent item)
    {
        if (item.Batch is { } batch)
        {
            if (Delivers(item))
            {
                Delivered();
            }

            await ApplyAsync(_attempt!, batch, item.Index);
            return;
        }

        LogRestart(context.Id, _attempt!.Id.Epoch, _attempt.Worker.Status.Worker.Key);
        (_attempt, _hedge, _hedged, _quietTicks) = (_hedge, null, false, 0);
        if (_attempt is null)
        {
            await RestartAsync("The worker was lost and the sequence");
        }
    }

    private async Task TakeOfHedgeAsync(SequenceAttempt hedge, SequenceEvent item)
    {
        if (item.Batch is not { } batch)
        {
            _hedge = null;
        }
        else if (Delivers(item))
        {
            LogHedgeWon(context.Id, hedge.Id.Epoch, hedge.Worker.Status.Worker.Key);
            _attempt?.Leave();
            (_attempt, _hedge) = (hedge, null);
            Delivered();
            await ApplyAsync(hedge, batch, item.Index);
        }
    }

    /// <summary>Gives the decoder an entry of the attempt that counts; where the attempt has outgrown its worker, another goes
    /// on.</summary>
    private async Task ApplyAsync(SequenceAttempt attempt, StepBatch batch, int index)
    {
        bool outgrown = attempt.HasOutgrown(batch, index);
        context.Decoder.Apply(batch, index, withEnd: !outgrown);
        if (outgrown && context.Decoder.FinishReason is null)
        {
            LogOutgrown(context.Id, attempt.Worker.Status.Worker.Key, attempt.Worker.Status.Limits.MaxContextTokens);
            _attempt = null;
            await RestartAsync("The sequence has outgrown its worker and");
        }
    }

    private void Delivered()
    {
        _hedge?.Leave();
        (_hedge, _quietTicks, _hedged) = (null, 0, false);
    }

    /// <summary>One second attempt for every wait, and only where a worker has nothing waiting: under load it would make
    /// things worse.</summary>
    private void Tick()
    {
        if (_attempt is not { } attempt || _hedged || ++_quietTicks <= SequencesOptions.HedgeTicks)
        {
            return;
        }

        var other = context.Workers
            .Find(worker => context.Launcher.Fits(worker) && worker.Load.Waiting == 0 && worker.Status.Worker != attempt.Worker.Status.Worker)
            .FirstOrDefault();
        if (other is not null)
        {
            LogHedge(context.Id, attempt.Worker.Status.Worker.Key, other.Status.Worker.Key);
            (_hedge, _hedged) = (context.Launcher.On(other), true);
            _ = StartHedgeAsync(_hedge); // Not awaited: the first attempt goes on meanwhile.
        }
    }

    private async Task StartHedgeAsync(SequenceAttempt hedge)
    {
        var refusal = await context.Launcher.SubmitAsync(hedge);
        bool wanted = _hedge == hedge || _attempt == hedge;
        if (refusal is null)
        {
            if (!wanted || context.Decoder.FinishReason is not null)
            {
                hedge.Leave();
            }
        }
        else if (_hedge == hedge)
        {
            _hedge = null;
        }
        else if (_attempt == hedge)
        {
            // It had taken the place of an attempt whose worker was lost; now it is lost as well.
            context.Launcher.ReportLost(hedge);
        }
    }

    private async Task RestartAsync(string reason)
    {
        context.Publish();
        (_attempt, var refusal) = await context.Launcher.RelaunchAsync(context.Launcher.Fits);
        if (_attempt is null)
        {
            context.Decoder.Finish("error", error: $"{reason} could not go on elsewhere: {refusal}");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sequence {Sequence} lost worker {Worker} in epoch {Epoch} and restarts")]
    private partial void LogRestart(Guid sequence, int epoch, string? worker);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} fills the {Tokens} tokens that worker {Worker} holds and goes on at a larger one")]
    private partial void LogOutgrown(Guid sequence, string worker, int tokens);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} has had no token from worker {Worker} for a while and is started on {Other} as well")]
    private partial void LogHedge(Guid sequence, string worker, string other);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sequence {Sequence} goes on in epoch {Epoch} on worker {Worker}, which delivered first")]
    private partial void LogHedgeWon(Guid sequence, int epoch, string worker);
}
