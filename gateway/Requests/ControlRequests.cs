using System.Text.Json;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Grains.Messages;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>POST /pause_generation.</summary>
/// <param name="Model">Whose workers; null: all.</param>
/// <param name="Mode">What becomes of what runs.</param>
internal sealed record PauseRequest(string? Model, PauseMode Mode)
{
    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static PauseRequest Parse(JsonElement body, ISequenceService service)
    {
        var fields = new JsonField(body, "").Object();
        var request = new PauseRequest(ControlFields.TakeModel(fields, service), fields.Take("mode") is { } mode ? ModeOf(mode) : PauseMode.Abort);
        fields.RefuseOthers();
        return request;
    }

    private static PauseMode ModeOf(JsonField mode) => mode.String() switch
    {
        "abort" => PauseMode.Abort,
        "retract" => PauseMode.Retract,
        "in_place" => PauseMode.InPlace,
        _ => throw mode.WrongValue("'abort', 'retract' or 'in_place'"),
    };
}

/// <summary>POST /continue_generation.</summary>
/// <param name="Model">Whose workers; null: all.</param>
internal sealed record ContinueRequest(string? Model)
{
    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static ContinueRequest Parse(JsonElement body, ISequenceService service)
    {
        var fields = new JsonField(body, "").Object();
        var request = new ContinueRequest(ControlFields.TakeModel(fields, service));
        fields.RefuseOthers();
        return request;
    }
}

/// <summary>POST /abort_request.</summary>
/// <param name="Model">Whose sequences, with all; null: every model's.</param>
/// <param name="Name">The request's; null: all.</param>
internal sealed record AbortRequest(string? Model, string? Name)
{
    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static AbortRequest Parse(JsonElement body, ISequenceService service)
    {
        var fields = new JsonField(body, "").Object();
        string? name = fields.Take("rid")?.String(SamplingFields.MaxNameLength);
        bool all = fields.Take("abort_all")?.Boolean() ?? false;
        string? model = ControlFields.TakeModel(fields, service);
        fields.RefuseOthers("abort_message");
        return all || name is not null
            ? new AbortRequest(model, all ? null : name)
            : throw ApiErrors.Missing("rid", "the id of a request, unless 'abort_all' is true");
    }
}

/// <summary>What control requests share.</summary>
internal static class ControlFields
{
    /// <summary>The model that a request names, which must be served; null where it names none.</summary>
    public static string? TakeModel(JsonFields fields, ISequenceService service) =>
        fields.Take("model")?.String() is { } model ? ModelDirectory.Find(service, model).Id : null;
}
