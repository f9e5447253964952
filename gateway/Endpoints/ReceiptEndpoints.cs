using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Access;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Gateway.Receipts;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>Receipts of answers, and what they are worth: computing them again.</summary>
internal sealed class ReceiptEndpoints(
    ISequenceService service, ActiveRequests requests, RequestKeeper keeper, ReceiptVerifier verifier, ReceiptMetrics metrics, BodyBudget budget, IOptions<GatewayOptions> options,
    TimeProvider clock)
{
    private const string IndexQuery = "index";

    /// <summary>GET /v1/sequences/{id}/receipt: the receipt of an answer that was given a short while ago.</summary>
    public async Task ShowAsync(HttpContext context)
    {
        foreach (string name in context.Request.Query.Keys.Where(name => name != IndexQuery))
        {
            throw ApiErrors.Unknown(name);
        }
        byte[] receipt = await FindAsync(context, IndexOf(context.Request.Query[IndexQuery]));
        await JsonResponse.WriteAsync(context, StatusCodes.Status200OK, json => json.WriteRawValue(receipt, skipInputValidation: true));
    }

    /// <summary>POST /v1/verify: computes a receipt again, many tokens in a step, and says yes or where it differs first.</summary>
    public async Task VerifyAsync(HttpContext context)
    {
        var (receipt, worker) = await RequestBody.ReadAsync(context, budget, options.Value, body =>
        {
            var fields = new JsonField(body, "").Object();
            var receipt = Receipt.Parse(fields.Require("receipt", "a receipt"), fields.Take("request"), service);
            string? worker = fields.Take("worker")?.NonEmpty(maxLength: 512);
            fields.RefuseOthers();
            return (receipt, worker);
        });
        await CompareAsync(context, receipt, new(AtOnce: true, worker));
    }

    /// <summary>POST /v1/sequences/{id}/replay: runs an answer of a short while ago again, token by token, and compares.</summary>
    public async Task ReplayAsync(HttpContext context)
    {
        var (index, worker) = await RequestBody.ReadOptionalAsync(context, budget, options.Value, body =>
        {
            var fields = new JsonField(body, "").Object();
            var asked = (fields.Take(IndexQuery)?.Int32(0) ?? 0, fields.Take("worker")?.NonEmpty(maxLength: 512));
            fields.RefuseOthers();
            return asked;
        });
        using var kept = JsonDocument.Parse(await FindAsync(context, index));
        var receipt = Receipt.Parse(new JsonField(kept.RootElement, "receipt"), beside: null, service);
        await CompareAsync(context, receipt, new(AtOnce: false, worker));
    }

    private async Task CompareAsync(HttpContext context, Receipt receipt, Recomputation how)
    {
        var caller = Caller.Of(context);
        RateLimitHeaders.WillShow(context.Response, service, caller.Client);
        await using var active = requests.Enter(context.RequestAborted);
        if (options.Value.RequestTimeout is { } limit)
        {
            active.EndAfter(limit, clock, ApiErrors.TimedOut(limit));
        }
        long started = clock.GetTimestamp();
        string model = CanonicalRequest.FindModel(service, receipt.Request!.Model, receipt.NumericsId).Id; // Not as the receipt has it: it may say anything.
        bool? verified = null;
        ReceiptDifference? difference;
        try
        {
            difference = await verifier.FindDifferenceAsync(receipt, how, caller, active.Token);
            verified = difference is null;
        }
        catch (OperationCanceledException) when (active.EndedBy is { } error && !context.RequestAborted.IsCancellationRequested)
        {
            throw new ApiException(error);
        }
        finally
        {
            metrics.Record(model, how, verified, started);
        }
        var answer = new JsonObject
        {
            ["object"] = how.AtOnce ? "grid.verification" : "grid.replay",
            ["verified"] = verified,
            ["model"] = receipt.Request!.Model,
            ["system_fingerprint"] = receipt.NumericsId,
            ["tokens"] = receipt.Tokens.Length,
            // Whose word it is, where it is somebody's.
            ["signed_by"] = receipt.Signature is { } signature && difference is not { Position: null } ? Convert.ToHexStringLower(SHA256.HashData(signature.PublicKey)) : null,
        };
        if (difference is not null)
        {
            answer["difference"] = difference.ToJson();
        }
        await JsonResponse.WriteAsync(context, answer);
    }

    private async Task<byte[]> FindAsync(HttpContext context, int index)
    {
        string shown = (string)context.Request.RouteValues["id"]!;
        if (!Guid.TryParseExact(shown, "N", out var id))
        {
            throw ApiErrors.ReceiptNotFound(shown, "ids are 32 hexadecimal digits: an answer's X-Sequence-Id");
        }
        return await RequestReceipts.FindAsync(keeper, id, index, Caller.Of(context).Tenant, context.RequestAborted)
            ?? throw ApiErrors.ReceiptNotFound(shown, $"it was not asked for ('receipt', --receipts), its sequence {index} has not ended by itself, or {keeper.NotFoundReason}");
    }

    private static int IndexOf(Microsoft.Extensions.Primitives.StringValues given) =>
        given.Count == 0 ? 0
        : given.Count == 1 && int.TryParse(given[0], NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? index
        : throw ApiErrors.WrongValue(IndexQuery, JsonShown.Text(given.ToString()), "the number of one of the answer's sequences, from 0");
}
