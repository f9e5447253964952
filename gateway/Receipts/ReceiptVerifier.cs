using System.Text.Json.Nodes;
using System.Threading.Channels;
using Grid.Gateway.Access;
using Grid.Gateway.Http;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;

namespace Grid.Gateway.Receipts;

/// <summary>How a receipt is computed again.</summary>
/// <param name="AtOnce">Many tokens in a step, as they are expected; otherwise one after the other, as they were drawn.</param>
/// <param name="Worker">The one worker that may do it; null for any.</param>
internal readonly record struct Recomputation(bool AtOnce, string? Worker);

/// <summary>The first thing that a receipt says and that is not so.</summary>
/// <param name="Position">Of the output token; null for what is not of one.</param>
/// <param name="Field">"request_sha256", "signature", "token", "chain" or "finish_reason".</param>
/// <param name="Expected">What the receipt says.</param>
/// <param name="Found">What is so.</param>
internal sealed record ReceiptDifference(int? Position, string Field, JsonNode? Expected, JsonNode? Found)
{
    /// <summary>Its JSON.</summary>
    public JsonObject ToJson() => new()
    {
        ["position"] = Position,
        ["field"] = Field,
        ["expected"] = Expected,
        ["found"] = Found,
    };
}

/// <summary>Compares a receipt with what a worker of its NumericsId computes, position by position, up to the first difference.</summary>
internal sealed class ReceiptVerifier(ISequenceService service)
{
    /// <summary>What is wrong with a receipt; null when nothing is. What needs no worker comes first.</summary>
    /// <param name="receipt">With its request.</param>
    /// <param name="how">How it is computed.</param>
    /// <param name="caller">Who asks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<ReceiptDifference?> FindDifferenceAsync(Receipt receipt, Recomputation how, Caller caller, CancellationToken cancellationToken)
    {
        var request = receipt.Request!;
        string digest = CanonicalRequest.DigestOf(request.Write());
        if (digest != receipt.RequestSha256)
        {
            return new(null, "request_sha256", receipt.RequestSha256, digest);
        }
        if (receipt.Signature is { } signature && !signature.IsOf(receipt.SignedBytes()))
        {
            return new(null, "signature", "a signature of the receipt by its public_key", "one of something else");
        }
        var spec = request.ToSpec(CanonicalRequest.FindModel(service, request.Model, receipt.NumericsId)) with
        {
            Client = caller.Client,
            ExpectedOutputIds = how.AtOnce ? receipt.Tokens : [],
            Worker = how.Worker,
        };
        var updates = Channel.CreateUnbounded<SequenceUpdate>(new() { SingleReader = true });
        await using var sequence = await StartAsync(spec, updates.Writer, cancellationToken);
        var comparison = new Comparison(receipt);
        await foreach (var update in updates.Reader.ReadAllAsync(cancellationToken))
        {
            if (update.Refusal is { } refusal)
            {
                throw Refused(refusal);
            }
            if (update.FinishReason is "error" or "abort")
            {
                throw ApiErrors.Unavailable(update.Error ?? "The recomputation was stopped before its end.");
            }
            if (comparison.Take(update) is { } difference)
            {
                return difference;
            }
        }
        return null;
    }

    private async Task<IRunningSequence> StartAsync(SequenceSpec spec, ChannelWriter<SequenceUpdate> updates, CancellationToken cancellationToken)
    {
        try
        {
            return await service.StartAsync(spec, (_, update) =>
            {
                updates.TryWrite(update);
                if (update.IsLast)
                {
                    updates.Complete();
                }
            }, cancellationToken);
        }
        catch (RefusedException refused)
        {
            throw Refused(refused.Refusal);
        }
    }

    /// <summary>A refusal in the names of the body.</summary>
    private static ApiException Refused(Refusal refusal)
    {
        string? field = refusal.Field switch
        {
            null => null,
            nameof(SequenceSpec.Worker) => "worker",
            nameof(SequenceSpec.ExpectedOutputIds) => Item("receipt.tokens", refusal.Index),
            nameof(SequenceSpec.PromptIds) => Item("receipt.request.prompt_ids", refusal.Index),
            Refusal.PromptLength => "receipt.request.prompt_ids",
            nameof(SequenceSpec.StopStrings) => "receipt.request.stop",
            Refusal.BiasedToken => "receipt.request.logit_bias",
            nameof(GenerationParameters.StopTokenIds) => Item("receipt.request.stop_token_ids", refusal.Index),
            var other => $"receipt.request.{System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(other)}",
        };
        return new(ErrorMapping.ToApiError(refusal, field));
    }

    private static string Item(string list, int? index) => index is { } i ? Json.JsonField.ItemPath(list, i) : list;

    /// <summary>A receipt against the updates of its recomputation.</summary>
    private sealed class Comparison(Receipt receipt)
    {
        private readonly ReceiptChain _chain = new(receipt.NumericsId, receipt.RequestSha256);
        private int _position;

        public ReceiptDifference? Take(SequenceUpdate update)
        {
            foreach (var token in update.Tokens)
            {
                if (_position == receipt.Tokens.Length)
                {
                    return new(_position, "token", null, token.TokenId);
                }
                int expected = receipt.Tokens[_position];
                if (expected != token.TokenId)
                {
                    return new(_position, "token", expected, token.TokenId);
                }
                // A node of an older version gives none.
                var digest = token.Digest ?? throw ApiErrors.Unavailable("The worker that was asked gives no digests; all nodes have to be of this version of Grid.");
                string value = Convert.ToHexStringLower(_chain.Take(token.TokenId, digest.ToDigest()));
                if (receipt.ChainAt(_position) is var chained && chained != value)
                {
                    return new(_position, "chain", chained, value);
                }
                _position++;
            }
            if (update.FinishReason is { } reason)
            {
                return _position < receipt.Tokens.Length ? new(_position, "token", receipt.Tokens[_position], null)
                    : reason != receipt.FinishReason ? new(_position - 1, "finish_reason", receipt.FinishReason, reason)
                    : null;
            }
            return null;
        }
    }
}
