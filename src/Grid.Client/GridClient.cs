using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Grid.Grains;
using Grid.Grains.Messages;
using Grid.Grains.Placement;
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
        var start = await PrepareAsync(request, cancellationToken);
        var progress = new StreamProgress(start.Generation.Seed);
        var lost = new HashSet<SiloAddress>();
        var unknowing = new HashSet<SiloAddress>();
        bool begun = false;
        for (int fruitless = 0; ;)
        {
            var silos = await AskDoorAsync(door => door.GetSilos(), cancellationToken);
            var silo = Choose(silos, lost);
            var session = cluster.GetGrain<IClientSessionGrain>(new SiloKey(silo, Guid.NewGuid().ToString("N")).ToString());
            var updates = session.Run(progress.Restart(start), request.User, cancellationToken).GetAsyncEnumerator(cancellationToken);
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

            LogLost(silo, loss!.Reason);
            lost.Add(silo);
            ThrowIfServedNowhere(silos, silo, loss, begun, unknowing);
            fruitless = isNews ? 0 : fruitless + 1;
            if (fruitless >= _options.MaxFruitlessAttempts)
            {
                throw new GridClientException(
                    loss.Failure, $"The sequence could not go on after {fruitless} attempts without news. {loss.Reason}".TrimEnd(), loss.Field);
            }

            await Task.Delay(isNews ? TimeSpan.Zero : _options.RetryDelay, time, cancellationToken);
        }
    }

    /// <summary>The next update; null when the attempt is lost and another silo may go on. Throws
    /// <see cref="GridClientException"/> for what would be the same everywhere.</summary>
    private async Task<(ClientUpdate? Update, Loss? Loss)> NextAsync(
        IAsyncEnumerator<ClientUpdate> updates, bool begun, CancellationToken cancellationToken)
    {
        ClientUpdate update;
        try
        {
            if (!await updates.MoveNextAsync().AsTask().WaitAsync(_options.Silence, time, cancellationToken))
            {
                return (null, new Loss("Its stream ended early."));
            }

            update = updates.Current;
        }
        catch (TimeoutException)
        {
            return (null, new Loss($"It has been silent for {_options.Silence.TotalSeconds:0.0} s.", Hangs: true));
        }
        catch (Exception exception) when (exception is OrleansException or NamedSiloUnavailableException or EnumerationAbortedException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Of a silo that stops, calls are cancelled too.
            return (null, new Loss(exception.Message, Hangs: true));
        }

        return update switch
        {
            { Refusal: { } refusal } => (null, LossOf(refusal, begun)),
            { FinishReason: "error" } => throw new GridClientException(GridFailure.SequenceFailed, update.Error ?? "The sequence failed."),
            _ => (update, null),
        };
    }

    /// <summary>What a refusal means for a sequence. A silo may be stopping, full, or so new that it knows no worker yet, and the
    /// next one may take it; what is wrong in the request is wrong everywhere. A full grid takes no new sequence, but has to go
    /// on with what it has begun; and what has begun was right, though it may be too long for the workers that are left just
    /// now.</summary>
    private static Loss LossOf(SubmitReply refusal, bool begun)
    {
        var failure = refusal.Refusal switch
        {
            RefusalKind.Invalid => GridFailure.InvalidRequest,
            RefusalKind.ModelNotFound => GridFailure.ModelNotFound,
            RefusalKind.Overloaded => GridFailure.Overloaded,
            _ => GridFailure.Unavailable,
        };
        return !begun && failure is (GridFailure.InvalidRequest or GridFailure.Overloaded)
            ? throw new GridClientException(failure, refusal.Message, refusal.Field)
            : new Loss(refusal.Message, failure, refusal.Field);
    }

    /// <summary>Throws when each silo has said of a sequence that has not begun that its model is not served.</summary>
    private static void ThrowIfServedNowhere(SiloAddress[] silos, SiloAddress silo, Loss loss, bool begun, HashSet<SiloAddress> unknowing)
    {
        if (!begun && loss.Failure == GridFailure.ModelNotFound)
        {
            unknowing.Add(silo);
            if (unknowing.IsSupersetOf(silos))
            {
                throw new GridClientException(GridFailure.ModelNotFound, loss.Reason, nameof(GenerationRequest.Model));
            }
        }
    }

    private static async Task LeaveAsync(IAsyncEnumerator<ClientUpdate> updates, bool wait)
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
            : throw new GridClientException(GridFailure.Unavailable, "No silo of the grid takes sequences.");
    }

    /// <summary>What the silos serve, put together by model id: one that has just joined knows few workers, or none. The
    /// connections take turns with the questions, so that so many reach every silo.</summary>
    private async Task<ModelDescription[]> AskForModelsAsync(CancellationToken cancellationToken)
    {
        var silos = await AskDoorAsync(door => door.GetSilos(), cancellationToken);
        var known = await Task.WhenAll(Enumerable.Range(0, 2 * silos.Length).Select(_ => AskDoorAsync(door => door.GetModels(), cancellationToken)));
        return [.. known.SelectMany(models => models).DistinctBy(model => model.Id).OrderBy(model => model.Id, StringComparer.Ordinal)];
    }

    /// <summary>A model, from whichever silo knows it.</summary>
    private async Task<ModelDescription> FindModelAsync(string id, CancellationToken cancellationToken)
    {
        var models = await AskDoorAsync(door => door.GetModels(), cancellationToken);
        for (int round = 0; ; round++)
        {
            if (models.FirstOrDefault(model => model.Id == id) is { } found)
            {
                return found;
            }

            if (round == ModelRounds)
            {
                string others = models.Length == 0 ? "none" : string.Join(", ", models.Select(model => $"'{model.Id}'"));
                throw new GridClientException(
                    GridFailure.ModelNotFound, $"Model '{id}' is not served here; there is {others}.", nameof(GenerationRequest.Model));
            }

            await Task.Delay(round == 0 ? TimeSpan.Zero : _options.RetryDelay, time, cancellationToken);
            models = await AskForModelsAsync(cancellationToken);
        }
    }

    /// <summary>Asks any silo; another when one does not answer in time.</summary>
    private async Task<T> AskDoorAsync<T>(Func<IClientDoorGrain, Task<T>> ask, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            var answer = ask(cluster.GetGrain<IClientDoorGrain>(Random.Shared.NextInt64()));
            try
            {
                return await answer.WaitAsync(_options.Silence, time, cancellationToken);
            }
            catch (Exception exception) when (exception is OrleansException or TimeoutException)
            {
                answer.Ignore();
                if (attempt == _options.MaxFruitlessAttempts)
                {
                    throw new GridClientException(GridFailure.Unavailable, $"No silo of the grid answers. {exception.Message}", innerException: exception);
                }
            }

            await Task.Delay(_options.RetryDelay, time, cancellationToken);
        }
    }

    /// <summary>The request with everything that an answer depends on, so that every attempt is the same.</summary>
    private async Task<SequenceStart> PrepareAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        if (request.PromptText is null == request.PromptIds is null)
        {
            throw new GridClientException(
                GridFailure.InvalidRequest, "Exactly one of PromptText and PromptIds must be given.", nameof(request.PromptText));
        }

        var served = await FindModelAsync(request.Model, cancellationToken);
        var sampling = served.Sampling;
        return new SequenceStart
        {
            Model = request.Model,
            NumericsId = served.NumericsId,
            PromptText = request.PromptText,
            PromptIds = request.PromptIds is { } ids ? [.. ids] : null,
            ParseSpecialTokens = request.ParseSpecialTokens,
            AddSpecialTokens = request.AddSpecialTokens,
            StopStrings = [.. request.StopStrings],
            CrossCheck = request.CrossCheck,
            Former = new FormerRun(Guid.NewGuid(), 0), // A name at workers that all attempts share.
            Generation = new GenerationParameters
            {
                Temperature = request.Temperature ?? sampling.Temperature,
                TopP = request.TopP ?? sampling.TopP,
                TopK = request.TopK ?? sampling.TopK,
                MinP = request.MinP ?? sampling.MinP,
                PresencePenalty = request.PresencePenalty,
                FrequencyPenalty = request.FrequencyPenalty,
                RepetitionPenalty = request.RepetitionPenalty ?? sampling.RepetitionPenalty,
                LogitBias = [.. request.LogitBias.OrderBy(bias => bias.Key).Select(bias => new TokenBias(bias.Key, bias.Value))],
                Seed = request.Seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
                MaxNewTokens = request.MaxNewTokens,
                MinNewTokens = request.MinNewTokens,
                StopTokenIds = [.. request.StopTokenIds.Order().Distinct()],
                IgnoreEndTokens = request.IgnoreEndTokens,
                Logprobs = request.Logprobs,
                TopLogprobs = request.TopLogprobs,
                PromptLogprobsFrom = request.PromptLogprobsFrom,
            },
        };
    }

    /// <summary>Why an attempt came to its end before the sequence did.</summary>
    /// <param name="Reason">A sentence.</param>
    /// <param name="Failure">What the client is told when no other attempt brings more.</param>
    /// <param name="Field">The field that was refused, where one was.</param>
    /// <param name="Hangs">Whether its silo may not answer any more.</param>
    private sealed record Loss(string Reason, GridFailure Failure = GridFailure.Unavailable, string? Field = null, bool Hangs = false);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} is lost to a sequence, which goes on elsewhere: {Reason}")]
    private partial void LogLost(SiloAddress silo, string reason);
}
