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
    private readonly GridClientOptions _options = options.Value;

    /// <summary>Models that at least one worker serves, by id.</summary>
    public async Task<IReadOnlyList<GridModel>> GetModelsAsync(CancellationToken cancellationToken = default) =>
        [.. (await AskDoorAsync(door => door.GetModels(), cancellationToken))
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
        string reason = "";
        for (int fruitless = 0; fruitless < _options.MaxFruitlessAttempts; fruitless++)
        {
            var silo = await ChooseAsync(lost, cancellationToken);
            var session = cluster.GetGrain<IClientSessionGrain>(new SiloKey(silo, Guid.NewGuid().ToString("N")).ToString());
            var updates = session.Run(start, request.User, cancellationToken).GetAsyncEnumerator(cancellationToken);
            progress.Restart();
            bool hung = false;
            try
            {
                while (true)
                {
                    (var update, reason, hung) = await NextAsync(updates, cancellationToken);
                    if (update is null)
                    {
                        break;
                    }

                    ThrowIfRefused(update);
                    if (progress.Take(update) is { } news)
                    {
                        fruitless = -1;
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
                await LeaveAsync(updates, wait: !hung);
            }

            LogLost(silo, reason);
            lost.Add(silo);
            await Task.Delay(fruitless < 0 ? TimeSpan.Zero : _options.RetryDelay, time, cancellationToken);
        }

        throw new GridClientException(
            GridFailure.Unavailable, $"The sequence could not go on after {_options.MaxFruitlessAttempts} attempts without news. {reason}".TrimEnd());
    }

    /// <summary>The next update; null when the silo is lost, with the reason and whether it may hang.</summary>
    private async Task<(ClientUpdate? Update, string Reason, bool Hung)> NextAsync(
        IAsyncEnumerator<ClientUpdate> updates, CancellationToken cancellationToken)
    {
        try
        {
            bool more = await updates.MoveNextAsync().AsTask().WaitAsync(_options.Silence, time, cancellationToken);
            return !more ? (null, "Its stream ended early.", false)
                : updates.Current is { FinishReason: "error" } broken ? (null, broken.Error ?? "", false)
                : (updates.Current, "", false);
        }
        catch (TimeoutException)
        {
            return (null, $"It has been silent for {_options.Silence.TotalSeconds:0.0} s.", true);
        }
        catch (Exception exception) when (exception is OrleansException or NamedSiloUnavailableException or EnumerationAbortedException)
        {
            return (null, exception.Message, true);
        }
    }

    private static void ThrowIfRefused(ClientUpdate update)
    {
        if (update.Refusal is { } refusal)
        {
            throw new GridClientException(
                refusal.Refusal switch
                {
                    RefusalKind.Invalid => GridFailure.InvalidRequest,
                    RefusalKind.ModelNotFound => GridFailure.ModelNotFound,
                    RefusalKind.Overloaded => GridFailure.Overloaded,
                    _ => GridFailure.Unavailable,
                },
                refusal.Message, refusal.Field);
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
    private async Task<SiloAddress> ChooseAsync(HashSet<SiloAddress> lost, CancellationToken cancellationToken)
    {
        var silos = await AskDoorAsync(door => door.GetSilos(), cancellationToken);
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

        var models = await AskDoorAsync(door => door.GetModels(), cancellationToken);
        var served = models.FirstOrDefault(model => model.Id == request.Model) ?? throw new GridClientException(
            GridFailure.ModelNotFound, $"Model '{request.Model}' is not served here; there is {(models.Length == 0 ? "none" : string.Join(", ", models.Select(model => $"'{model.Id}'")))}.", nameof(request.Model));
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Silo {Silo} is lost to a sequence, which goes on elsewhere: {Reason}")]
    private partial void LogLost(SiloAddress silo, string reason);
}
