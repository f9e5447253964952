using System.Threading.Channels;
using Grid.Gateway.Http;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Microsoft.Extensions.Options;
using Orleans.Serialization;

namespace Grid.Gateway.Caching;

/// <summary>
/// Computes a share of the remembered answers that are given again, in the background: one at a time, as one client among the others, many
/// tokens in a step, with nothing that is in a prefix cache. One that differs in any bit is forgotten; the computed one counts.
/// </summary>
internal sealed class AnswerAudit(
    ISequenceService service, RememberedAnswers answers, AnswerCacheMetrics metrics, Serializer<SequenceUpdate> serializer, IOptions<GatewayOptions> options,
    ILogger<AnswerAudit> logger) : BackgroundService
{
    /// <summary>Answers that wait for it at most; others are passed over.</summary>
    private const int MostWaiting = 64;

    private readonly Channel<(string Key, SequenceSpec Spec, RememberedAnswer Answer)> _waiting =
        Channel.CreateBounded<(string, SequenceSpec, RememberedAnswer)>(new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>A remembered answer is given: maybe it is computed again.</summary>
    public void Offer(SharedAnswer given, SequenceSpec spec)
    {
        if (Random.Shared.NextDouble() < options.Value.AnswerCacheAudit && given.Whole is { } answer)
        {
            _waiting.Writer.TryWrite((given.Key, spec, answer));
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var (key, spec, answer) in _waiting.Reader.ReadAllAsync(stoppingToken))
        {
            try
            {
                await AuditAsync(key, spec, answer, stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                GatewayLog.NotAudited(logger, key, exception);
            }
        }
    }

    private async Task AuditAsync(string key, SequenceSpec spec, RememberedAnswer answer, CancellationToken cancellationToken)
    {
        var remembered = RememberedAnswer.Together(answer.Updates);
        if (await ComputeAsync(spec, remembered, cancellationToken) is not { } computed)
        {
            return; // The grid has no room for it, or something else to do.
        }
        bool differs = !serializer.SerializeToArray(remembered).AsSpan().SequenceEqual(serializer.SerializeToArray(computed));
        metrics.CountAudit(spec.Model, differs);
        if (differs)
        {
            int same = remembered.Tokens.Zip(computed.Tokens).TakeWhile(pair => serializer.SerializeToArray(new() { Tokens = [pair.First] }).AsSpan()
                .SequenceEqual(serializer.SerializeToArray(new() { Tokens = [pair.Second] }))).Count();
            GatewayLog.AnswerDiffers(logger, key, spec.Model, spec.NumericsId!, same, remembered.Tokens.Length, computed.Tokens.Length);
            await answers.RemoveAsync(key);
        }
    }

    /// <summary>What the grid says now; null where it does not say it to its end.</summary>
    private async Task<SequenceUpdate?> ComputeAsync(SequenceSpec spec, SequenceUpdate remembered, CancellationToken cancellationToken)
    {
        spec = spec with
        {
            Client = "answer cache\n", // No caller's name ends so.
            User = "",
            Trace = null,
            Resumed = null,
            Follows = false,
            CacheSalt = $"audited\n{Guid.NewGuid():N}",
            ExpectedOutputIds = [.. remembered.Tokens.Select(token => token.TokenId)],
        };
        var updates = Channel.CreateUnbounded<SequenceUpdate>(new() { SingleReader = true });
        try
        {
            await using var sequence = await service.StartAsync(spec, (_, update) =>
            {
                updates.Writer.TryWrite(update);
                if (update.IsLast)
                {
                    updates.Writer.Complete();
                }
            }, cancellationToken);
            var computed = RememberedAnswer.Together(await updates.Reader.ReadAllAsync(cancellationToken).ToListAsync(cancellationToken));
            return computed.FinishReason is "stop" or "length" ? computed : null;
        }
        catch (RefusedException refused) when (refused.Refusal.Field == nameof(SequenceSpec.ExpectedOutputIds))
        {
            return new SequenceUpdate(); // No model gives what is remembered.
        }
        catch (RefusedException)
        {
            return null;
        }
    }
}
