using Grid.Grains.Messages;
using Grid.Numerics;
using Microsoft.Extensions.Options;

namespace Grid.Sequences.Routing;

/// <summary>Puts other weights on all workers of a model: none changes before all have read and checked them.</summary>
internal sealed class WeightUpdates(WorkerDirectory workers, IOptions<SequencesOptions> options, TimeProvider time)
{
    /// <summary>How long a request that was refused waits before it looks again what is served.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(10);

    /// <summary>Updates a model's workers. Throws <see cref="RefusedException"/>.</summary>
    public async Task<UpdatedWeights> UpdateAsync(string model, WeightsRequest request, CancellationToken cancellationToken)
    {
        // One in quarantine computes wrongly with any weights.
        LiveWorker[] all = [.. workers.Live.Where(worker => worker.Status.ModelId == model && worker.State != WorkerState.Quarantined)];
        if (all.Length == 0)
        {
            throw new RefusedException(Refusal.Unavailable($"No worker of model '{model}' is there."));
        }

        var answers = await Task.WhenAll(all.Select(worker => worker.PrepareWeightsAsync(request)));
        var refusal = WhyNot(all, answers);
        if (refusal is not null || cancellationToken.IsCancellationRequested)
        {
            await Task.WhenAll(all.Select(worker => DropAsync(worker, request.Update)));
            cancellationToken.ThrowIfCancellationRequested();
            throw new RefusedException(refusal!);
        }

        string numericsId = answers[0].NumericsId!;
        var failures = (await Task.WhenAll(all.Select(worker => worker.ApplyWeightsAsync(request.Update)))).OfType<Refusal>().ToArray();
        if (failures.Length == all.Length)
        {
            throw new RefusedException(failures[0]);
        }

        if (failures.Length > 0)
        {
            throw new RefusedException(Refusal.Unavailable(
                $"{all.Length - failures.Length} of {all.Length} workers have the new weights ({numericsId}), and serve the model; the others do not: {failures[0]}"));
        }

        await SeenAsync(numericsId, all.Length, cancellationToken);
        return new UpdatedWeights(numericsId, request.Version ?? numericsId, all.Length);
    }

    /// <summary>Waits until a worker of the model takes sequences. Throws <see cref="RefusedException"/> when none does for as long as
    /// a sequence waits at most.</summary>
    public async Task WaitAsync(string model, CancellationToken cancellationToken)
    {
        await Task.Delay(s_again, time, cancellationToken);
        var patience = options.Value.QueueTimeout;
        if (!await workers.WaitForAsync(worker => worker.Status.ModelId == model, patience, cancellationToken))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new RefusedException(Refusal.Unavailable($"Model '{model}' has been getting other weights for {patience.TotalSeconds} s."));
        }
    }

    private static Refusal? WhyNot(LiveWorker[] all, WeightsAnswer[] answers)
    {
        int refused = Array.FindIndex(answers, answer => answer.Refusal is not null);
        if (refused >= 0)
        {
            return answers[refused].Refusal;
        }

        int other = Array.FindIndex(answers, answer => answer.NumericsId != answers[0].NumericsId);
        return other < 0 ? null : new Refusal
        {
            Kind = RefusalKind.Invalid,
            Field = nameof(WeightsRequest.ModelPath),
            Rule = $"holds other weights on one node than on another: {answers[0].NumericsId} for worker {all[0].Status.Worker}, {answers[other].NumericsId} for worker {all[other].Status.Worker}",
        };
    }

    /// <summary>Waits until this gateway has heard it from all: who is told that the weights are in place gets them with the next
    /// request.</summary>
    private async Task SeenAsync(string numericsId, int count, CancellationToken cancellationToken)
    {
        int Seen() => workers.Live.Count(worker => worker.Status.NumericsId == numericsId);
        long started = time.GetTimestamp();
        while (Seen() < count && time.GetElapsedTime(started) < options.Value.FailoverWait)
        {
            int seen = Seen();
            await workers.WaitForAsync(_ => Seen() > seen, options.Value.FailoverWait, cancellationToken);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private static async Task DropAsync(LiveWorker worker, Guid update)
    {
        try
        {
            await worker.Grain.DropWeights(update);
        }
        catch (Exception)
        {
            // Lost; or the next update takes its place.
        }
    }
}
