using System.Runtime.CompilerServices;
using System.Text;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
using Grid.Numerics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grid.Client;

/// <summary>
/// Generates on a grid from a program inside its cluster, over an Orleans client. A sequence outlives the silo it was begun
/// on: another computes it again, to the same bits, and the stream goes on where it was. Safe for any number of threads.
/// </summary>
public sealed partial class GridClient(
    IClusterClient cluster, IOptions<GridClientOptions> options, TimeProvider time, ILogger<GridClient> logger)
{
    /// <summary>How often all silos are asked for a model before it counts as not served.</summary>
    private const int ModelRounds = 4;

    private readonly GridClientOptions _options = options.Value;

    /// <summary>Models that at least one worker serves, by id.</summary>
    public async Task<IReadOnlyList<GridModel>> GetModelsAsync(CancellationToken cancellationToken = default) =>
        [.. (await AskForModelsAsync(cancellationToken))
            .Select(model => new GridModel(model.Id, model.NumericsId, model.MaxContextTokens, model.HasTokenizer))];

    /// <summary>Generates one sequence to its end. Throws <see cref="GridClientException"/>.</summary>
    public async Task<Generation> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        var text = new StringBuilder();
        var tokens = new List<GeneratedToken>();
        var promptTokens = new List<GeneratedToken>();
        IReadOnlyList<int> promptIds = [];
        GenerationUpdate? last = null;
        await foreach (var update in StreamAsync(request, cancellationToken))
        {
            promptIds = update.PromptIds ?? promptIds;
            text.Append(update.Text);
            tokens.AddRange(update.Tokens);
            promptTokens.AddRange(update.PromptTokens);
            last = update;
        }

        return new Generation
        {
            PromptIds = promptIds,
            Text = text.ToString(),
            Tokens = tokens,
            PromptTokens = promptTokens,
            FinishReason = last!.FinishReason!,
            Seed = last.Seed,
            NumericsId = last.NumericsId,
            MatchedStopString = last.MatchedStopString,
            MatchedStopToken = last.MatchedStopToken,
        };
    }

    /// <summary>Generates one sequence and gives its news as they come; leaving the loop cancels it. Throws
    /// <see cref="GridClientException"/>.</summary>
    public async IAsyncEnumerable<GenerationUpdate> StreamAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var spec = await PrepareAsync(request, cancellationToken);
        var progress = new StreamProgress(spec.Generation.Sampling.Seed, spec.NumericsId!);
        var lost = new HashSet<SiloAddress>();
        var unknowing = new HashSet<SiloAddress>();
        bool begun = false;
        for (int fruitless = 0; ;)
        {
            var silos = await AskAsync(catalog => catalog.GetSilos(), cancellationToken);
            var silo = Choose(silos, lost);
            var sequence = cluster.GetGrain<ISequenceGrain>(new SiloKey(silo, Guid.NewGuid().ToString("N")).ToString());
            var updates = sequence.Run(progress.Restart(spec), cancellationToken).GetAsyncEnumerator(cancellationToken);
            bool isNews = false;
            Loss? loss = null;
            try
            {
                while (true)
                {
                    (var update, loss) = await NextAsync(updates, begun, cancellationToken);
                    if (update is null)
                    {
                        break;
                    }

                    if (progress.Take(update) is { } news)
                    {
                        isNews = begun = true;
                        yield return news;
                    }

                    if (update.FinishReason is not null)
                    {
                        yield break;
                    }
                }
            }
            finally
            {
                // A silo that hangs would answer after its response timeout; its stream ends itself when nobody reads it.
                await LeaveAsync(updates, wait: loss is not { Hangs: true });
            }

            LogLost(silo, loss!.Refusal.ToString());
            lost.Add(silo);
            ThrowIfServedNowhere(silos, silo, loss, begun, unknowing);
            fruitless = isNews ? 0 : fruitless + 1;
            if (fruitless >= _options.MaxFruitlessAttempts)
            {
                throw new GridClientException(
                    loss.Refusal, $"The sequence could not go on after {fruitless} attempts without news. {loss.Refusal}".TrimEnd());
            }

            await Task.Delay(isNews ? TimeSpan.Zero : _options.RetryDelay, time, cancellationToken);
        }
    }

    /// <summary>The next update; null when the attempt is lost and another silo may go on. Throws
    /// <see cref="GridClientException"/> for what would be the same everywhere.</summary>
    private async Task<(SequenceUpdate? Update, Loss? Loss)> NextAsync(
        IAsyncEnumerator<SequenceUpdate> updates, bool begun, CancellationToken cancellationToken)
    {
        SequenceUpdate update;
        try
        {
            if (!await updates.MoveNextAsync().AsTask().WaitAsync(_options.Silence, time, cancellationToken))
            {
                return (null, Lost("Its stream ended early."));
            }

            update = updates.Current;
        }
        catch (TimeoutException)
        {
            return (null, Lost($"It has been silent for {_options.Silence.TotalSeconds:0.0} s.", hangs: true));
        }
        catch (Exception exception) when (exception is OrleansException or NamedSiloUnavailableException or EnumerationAbortedException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Of a silo that stops, calls are cancelled too.
            return (null, Lost(exception.Message, hangs: true));
        }

        return update switch
        {
            { Refusal: { } refusal } => (null, LossOf(refusal, begun)),
            { FinishReason: "error" } => throw new GridClientException(new Refusal { Kind = RefusalKind.Failed, Rule = update.Error ?? "The sequence failed." }),
            _ => (update, null),
        };
    }

    /// <summary>What a refusal means for a sequence. A silo may be stopping, full, or so new that it knows no worker yet, and the
    /// next one may take it; what is wrong in the request is wrong everywhere. A full grid takes no new sequence, but has to go
    /// on with what it has begun; and what has begun was right, though it may be too long for the workers that are left just
    /// now.</summary>
    private static Loss LossOf(Refusal refusal, bool begun) =>
        !begun && refusal.Kind is (RefusalKind.Invalid or RefusalKind.Overloaded)
            ? throw new GridClientException(refusal)
            : new Loss(refusal);

    /// <summary>Throws when each silo has said of a sequence that has not begun that its model is not served.</summary>
    private static void ThrowIfServedNowhere(SiloAddress[] silos, SiloAddress silo, Loss loss, bool begun, HashSet<SiloAddress> unknowing)
    {
        if (!begun && loss.Refusal.Kind == RefusalKind.ModelNotFound)
        {
            unknowing.Add(silo);
            if (unknowing.IsSupersetOf(silos))
            {
                throw new GridClientException(loss.Refusal);
            }
        }
    }

    private static async Task LeaveAsync(IAsyncEnumerator<SequenceUpdate> updates, bool wait)
    {
        var leaving = updates.DisposeAsync().AsTask();
        if (wait)
        {
            await leaving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        else
        {
            leaving.Ignore();
        }
    }

    /// <summary>A silo at random, and one that lost this sequence only when there is no other.</summary>
    private static SiloAddress Choose(SiloAddress[] silos, HashSet<SiloAddress> lost)
    {
        SiloAddress[] healthy = [.. silos.Where(silo => !lost.Contains(silo))];
        if (healthy.Length == 0)
        {
            lost.Clear();
            healthy = silos;
        }

        return healthy.Length > 0
            ? healthy[Random.Shared.Next(healthy.Length)]
            : throw new GridClientException(Refusal.Unavailable("No silo of the grid takes sequences."));
    }

    /// <summary>What the silos serve, put together by model id: one that has just joined knows few workers, or none. The
    /// connections take turns with the questions, so that so many reach every silo.</summary>
    private async Task<ModelDescription[]> AskForModelsAsync(CancellationToken cancellationToken)
    {
        var silos = await AskAsync(catalog => catalog.GetSilos(), cancellationToken);
        var known = await Task.WhenAll(Enumerable.Range(0, 2 * silos.Length).Select(_ => AskAsync(catalog => catalog.GetModels(), cancellationToken)));
        return [.. known.SelectMany(models => models).DistinctBy(model => model.Id).OrderBy(model => model.Id, StringComparer.Ordinal)];
    }

    /// <summary>A model, from whichever silo knows it.</summary>
    private async Task<ModelDescription> FindModelAsync(string id, CancellationToken cancellationToken)
    {
        var models = await AskAsync(catalog => catalog.GetModels(), cancellationToken);
        for (int round = 0; ; round++)
        {
            if (models.FirstOrDefault(model => model.Id == id) is { } found)
            {
                return found;
            }

            if (round == ModelRounds)
            {
                string others = models.Length == 0 ? "none" : string.Join(", ", models.Select(model => $"'{model.Id}'"));
                throw new GridClientException(Refusal.ModelNotFound(nameof(GenerationRequest.Model), id, $"there is {others}"));
            }

            await Task.Delay(round == 0 ? TimeSpan.Zero : _options.RetryDelay, time, cancellationToken);
            models = await AskForModelsAsync(cancellationToken);
        }
    }

    /// <summary>Asks any silo; another when one does not answer in time.</summary>
    private async Task<T> AskAsync<T>(Func<ICatalogGrain, Task<T>> ask, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            var answer = ask(cluster.GetGrain<ICatalogGrain>(Random.Shared.NextInt64()));
            try
            {
                return await answer.WaitAsync(_options.Silence, time, cancellationToken);
            }
            catch (Exception exception) when (exception is OrleansException or TimeoutException)
            {
                answer.Ignore();
                if (attempt == _options.MaxFruitlessAttempts)
                {
                    throw new GridClientException(Refusal.Unavailable($"No silo of the grid answers. {exception.Message}"), innerException: exception);
                }
            }

            await Task.Delay(_options.RetryDelay, time, cancellationToken);
        }
    }

    private async Task<SequenceSpec> PrepareAsync(GenerationRequest request, CancellationToken cancellationToken) =>
        request.PromptText is null == request.PromptIds is null
            ? throw new GridClientException(SequenceSpec.OnePrompt)
            : request.ToSpec(await FindModelAsync(request.Model, cancellationToken));

    private static Loss Lost(string reason, bool hangs = false) => new(Refusal.Unavailable(reason), hangs);

    /// <summary>Why an attempt came to its end before the sequence did.</summary>
    /// <param name="Refusal">What the client is told when no other attempt brings more.</param>
    /// <param name="Hangs">Whether its silo may not answer any more.</param>
    private sealed record Loss(Refusal Refusal, bool Hangs = false);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} is lost to a sequence, which goes on elsewhere: {Reason}")]
    private partial void LogLost(SiloAddress silo, string reason);
}
