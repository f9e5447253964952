using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Grid.Gateway.Receipts;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Text;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Caching;

/// <summary>
/// Between a request and the grid. An answer is a function of its request and the model's bits: equal sequences under way are one, which all
/// read, and one that was computed before is told again (CACHING.md). Where nothing is remembered it only passes on.
/// </summary>
internal sealed class AnswerCache(
    ISequenceService service, RememberedAnswers answers, AnswerAudit audit, AnswerCacheMetrics metrics, IOptions<GatewayOptions> options)
{
    /// <summary>Bytes up to which an answer is held, as a share of all.</summary>
    private const int LargestShare = 16;

    private readonly ConcurrentDictionary<string, SharedAnswer> _underWay = new(StringComparer.Ordinal);

    /// <summary>Starts a sequence, as <see cref="ISequenceService.StartAsync"/> does, or reads one that is equal.</summary>
    /// <param name="spec">The sequence.</param>
    /// <param name="model">Its model.</param>
    /// <param name="mayShare">Whether its answer may be another's.</param>
    /// <param name="take">Told each update.</param>
    /// <param name="name">The client's name for it.</param>
    /// <param name="reserved">The places of its request.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<IRunningSequence> StartAsync(
        SequenceSpec spec, ServedModel model, bool mayShare, Action<IRunningSequence, SequenceUpdate> take, string? name, CancellationToken cancellationToken, IReservedPlaces? reserved = null)
    {
        if (!answers.AreKept || !mayShare || PromptIdsOf(spec, model) is not { } promptIds)
        {
            return await service.StartAsync(spec, take, cancellationToken, name, reserved);
        }
        cancellationToken.ThrowIfCancellationRequested();
        spec = spec with { PromptText = null, PromptIds = promptIds };
        string key = KeyOf(spec, model);
        while (true)
        {
            if (!_underWay.TryGetValue(key, out var shared) && spec.Resumed is not null)
            {
                // Workers know it, and may know it in part: told without the scores that the client has had, it is nobody else's.
                return await ResumeAsync(key, spec, take, name, cancellationToken, reserved);
            }
            bool isFirst = shared is null;
            shared ??= new SharedAnswer(key, spec.Follows, options.Value.AnswerCacheSize / LargestShare, new CancellationTokenSource());
            var reader = new AnswerReader(shared, promptIds, take, name, () => service.Charge(spec.Client, promptIds.Length, reserved));
            switch (shared.TryJoin(reader, spec.Follows))
            {
                case false:
                    return await service.StartAsync(spec, take, cancellationToken, name, reserved);
                case null:
                    Remove(shared);
                    continue;
            }
            if (isFirst)
            {
                if (!_underWay.TryAdd(key, shared))
                {
                    continue; // Somebody else was quicker.
                }
                shared.Work = RunAsync(shared, spec, reserved);
            }
            try
            {
                await reader.Begun.WaitAsync(cancellationToken);
                return Began(shared, reader, spec, isFirst);
            }
            catch (RefusedException refused) when (!isFirst && reader.HasFailed && refused.Refusal.Kind is RefusalKind.ClientLimit or RefusalKind.Overloaded)
            {
                // What the first one's client may not have, or has waited for too long, says nothing of this one.
                await reader.DisposeAsync();
                if (refused.Refusal.Kind is RefusalKind.Overloaded)
                {
                    return await service.StartAsync(spec, take, cancellationToken, name, reserved);
                }
            }
            catch
            {
                await reader.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>As <see cref="ISequenceService.Reserve"/>.</summary>
    public IReservedPlaces Reserve(SequenceSpec spec, int sequences) => service.Reserve(spec, sequences);

    /// <summary>Ends where they stand the sequences that somebody means by a name or an id, as <see cref="ISequenceService.Abort"/> does; of one
    /// that others read, too, his part alone.</summary>
    public void End(string name, bool isPrefix)
    {
        if (!Abort(name, isPrefix))
        {
            service.Abort(name, isPrefix);
        }
    }

    /// <summary>Ends where it stands what somebody reads of a sequence that he means by a name or an id, and the sequence where nobody else
    /// reads it. Whether it was the id of one that is read here.</summary>
    public bool Abort(string name, bool isPrefix = false)
    {
        bool wasId = false;
        foreach (var shared in _underWay.Values)
        {
            var (sequence, isId) = shared.Abort(name, isPrefix);
            wasId |= isId;
            if (sequence is { } id)
            {
                service.Abort($"{id:N}", isPrefix: false);
            }
        }
        return wasId;
    }

    /// <summary>All that a sequence's updates depend on, and whose they may be, as a digest.</summary>
    internal static string KeyOf(SequenceSpec spec, ServedModel model)
    {
        var generation = spec.Generation;
        int most = generation.MaxNewTokens ?? Math.Max(1, model.MaxContextTokens - spec.PromptIds!.Length);
        string told = string.Create(CultureInfo.InvariantCulture,
            $"grid answer 1\n{spec.NumericsId}\n{model.TextDigest}\n{generation.Logprobs} {generation.TopLogprobs} {generation.Digests} {generation.PromptLogprobsFrom} {spec.CrossCheck}\n{spec.CacheSalt.Length} {spec.CacheSalt}\n");
        byte[] request = CanonicalRequest.Of(spec.Model, spec.PromptIds!, spec, most).Write();
        return Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes(told), .. request]));
    }

    /// <summary>Null where the grid says what is wrong with the prompt.</summary>
    private static int[]? PromptIdsOf(SequenceSpec spec, ServedModel model)
    {
        try
        {
            return spec.PromptIds ?? model.Text?.Tokenizer.Encode(spec.PromptText!, spec.ParseSpecialTokens, spec.AddSpecialTokens);
        }
        catch (Exception exception) when (exception is ArgumentException or TextModelException)
        {
            return null;
        }
    }

    /// <summary>A stream that goes on is told what is remembered; otherwise it runs by itself.</summary>
    private async Task<IRunningSequence> ResumeAsync(
        string key, SequenceSpec spec, Action<IRunningSequence, SequenceUpdate> take, string? name, CancellationToken cancellationToken, IReservedPlaces? reserved = null)
    {
        if (await FindAsync(key, spec, cancellationToken) is not { } remembered)
        {
            return await service.StartAsync(spec, take, cancellationToken, name, reserved);
        }
        var shared = new SharedAnswer(key, spec.Follows, long.MaxValue, new CancellationTokenSource());
        var reader = new AnswerReader(shared, spec.PromptIds!, take, name, () => service.Charge(spec.Client, spec.PromptIds!.Length, reserved));
        shared.TryJoin(reader, mayWaitLong: true);
        shared.Begin(remembered);
        await reader.Begun;
        return Began(shared, reader, spec, isFirst: true);
    }

    private AnswerReader Began(SharedAnswer shared, AnswerReader reader, SequenceSpec spec, bool isFirst)
    {
        metrics.Count(spec.Model, reader.IsRemembered ? AnswerSource.Remembered : isFirst ? AnswerSource.Computed : AnswerSource.Shared);
        if (reader.IsRemembered)
        {
            audit.Offer(shared, spec);
        }
        return reader;
    }

    /// <summary>What is remembered, of bits that are served still.</summary>
    private async Task<RememberedAnswer?> FindAsync(string key, SequenceSpec spec, CancellationToken cancellationToken) =>
        await answers.FindAsync(key, cancellationToken) is { } remembered && service.FindModel(spec.Model, spec.NumericsId!) is not null ? remembered : null;

    private async Task RunAsync(SharedAnswer shared, SequenceSpec spec, IReservedPlaces? reserved)
    {
        Exception? failed = null;
        try
        {
            if (await FindAsync(shared.Key, spec, shared.Left) is { } remembered)
            {
                shared.Begin(remembered);
                return;
            }
            await using var sequence = await service.StartAsync(spec, (_, update) => shared.Take(update), shared.Left, name: null, reserved);
            if (shared.Begin(sequence))
            {
                await shared.Ended;
                // Until then it is found among those under way.
                if (shared.Whole is { } whole)
                {
                    await answers.PutAsync(shared.Key, whole);
                }
            }
        }
        catch (Exception exception)
        {
            failed = exception;
        }
        finally
        {
            shared.Close(failed);
            Remove(shared);
        }
    }

    private void Remove(SharedAnswer shared) => _underWay.TryRemove(KeyValuePair.Create(shared.Key, shared));
}

/// <summary>Where an answer comes from.</summary>
internal enum AnswerSource
{
    /// <summary>A sequence that was started for it.</summary>
    Computed,

    /// <summary>A sequence that ran already.</summary>
    Shared,

    /// <summary>It was remembered.</summary>
    Remembered,
}
