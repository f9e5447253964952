using System.Globalization;
using Grid.Gateway.Access;
using Grid.Gateway.Http;
using Grid.Gateway.Resuming;
using Grid.Gateway.Running;
using Grid.Sequences;

namespace Grid.Gateway.Endpoints;

/// <summary>Streams that go on after their connection, or their gateway, was lost.</summary>
internal sealed class SequenceEndpoints(
    ISequenceService service, ActiveRequests requests, RequestKeeper keeper, BodyBudget budget, AnswerRunner runner)
{
    private const string Header = "Last-Event-ID";
    private const string Query = "last_event_id";
    private const string CountQuery = "starting_after";

    /// <summary>GET /v1/sequences/{id}/events: the request's stream after the event that the client got last, or after so many, or all of it;
    /// 204 when there is nothing left.</summary>
    public async Task EventsAsync(HttpContext context)
    {
        await using var active = requests.Enter(context.RequestAborted);
        string shown = (string)context.Request.RouteValues["id"]!;
        var position = TakePosition(context.Request, out int count);
        if (!Guid.TryParseExact(shown, "N", out var id))
        {
            throw ApiErrors.StreamNotFound(shown, "ids are 32 hexadecimal digits");
        }
        if (position is not null && position.Request != id)
        {
            throw ApiErrors.WrongEventId(JsonShown.Text(position.ToString()), $"an id of an event of this stream ({id:N})");
        }
        if (position is { Stage: StreamStage.End })
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }
        byte[] record = await keeper.FindAsync(id, context.RequestAborted) ?? throw ApiErrors.StreamNotFound(shown, keeper.NotFoundReason);
        budget.Open(context).Take(record.Length);
        var stored = StoredRequest.Read(record) ?? throw ApiErrors.Conflict("record_version", "The stream was begun by a gateway of another version of Grid; send its request again.");
        if (stored.Plan.Tenant != Caller.Of(context).Tenant)
        {
            throw ApiErrors.StreamNotFound(shown, keeper.NotFoundReason);
        }
        bool withIds = stored.Plan.EventIds || position is not null || EventIds.AreAsked(context.Request);
        SentEvents? sent = null;
        if (count > 0)
        {
            (sent, position) = keeper.Sent(id)?.After(count, id, stored.Plan.Sequences.Count) ?? throw ApiErrors.Conflict("event_count_unknown",
                $"This gateway does not know of {count} events of the stream, for it did not send so many; without '{CountQuery}' the stream is told from its beginning.");
        }
        position ??= new StreamPosition(id, stored.Plan.Sequences.Count);
        if (!position.TryFit(stored.Plan.Sequences.Count, out var fitted))
        {
            throw ApiErrors.WrongEventId(JsonShown.Text(position.ToString()), $"one with the positions of {stored.Plan.Sequences.Count} sequences, which this stream has");
        }
        var model = FindModel(stored);
        // Known as this stream from the claim on, for its sequences may have to wait before they start.
        active.Claim(id);
        active.Keep(id, await keeper.ClaimAsync(id, context.RequestAborted) ?? throw ApiErrors.StreamNotFound(shown, keeper.NotFoundReason));
        await runner.RunAsync(context, active, stored.Plan with { Model = model, EventIds = withIds }, stored, fitted, sent);
    }

    /// <summary>The same bits come from the same NumericsId only.</summary>
    private ServedModel FindModel(StoredRequest stored)
    {
        if (service.FindModel(stored.Model, stored.NumericsId) is { } model)
        {
            return model;
        }
        throw service.Models.FirstOrDefault(other => other.Id == stored.Model) is { } other
            ? ApiErrors.Conflict("numerics_changed",
                $"The stream was begun with NumericsId {stored.NumericsId}; model {JsonShown.Text(stored.Model)} is now served with {other.NumericsId}, which may go on with other tokens. Send the request again.")
            : ApiErrors.Unavailable($"No worker serves model {JsonShown.Text(stored.Model)} at the moment; try again later.");
    }

    private static StreamPosition? TakePosition(HttpRequest request, out int count)
    {
        var given = request.Headers[Header];
        var asked = request.Query[Query];
        var counted = request.Query[CountQuery];
        count = 0;
        foreach (string name in request.Query.Keys)
        {
            if (name is not (Query or CountQuery))
            {
                throw ApiErrors.Unknown(name);
            }
        }
        if (given.Count + asked.Count + counted.Count > 1)
        {
            throw ApiErrors.Duplicate(given.Count > 0 ? Header : counted.Count > 0 ? CountQuery : Query);
        }
        if (counted.Count > 0 && !int.TryParse(counted[0], NumberStyles.None, CultureInfo.InvariantCulture, out count))
        {
            throw ApiErrors.WrongValue(CountQuery, JsonShown.Text(counted[0] ?? ""), "a number of events of the stream");
        }
        if ((given.Count > 0 ? given[0] : asked.Count > 0 ? asked[0] : null) is not { } text)
        {
            return null;
        }
        return StreamPosition.TryParse(text, out var position)
            ? position
            : throw ApiErrors.WrongEventId(JsonShown.Text(text), StreamPosition.Rule);
    }
}
