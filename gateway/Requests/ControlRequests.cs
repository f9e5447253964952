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
/// <param name="IsPrefix">Whether it stands for all names that begin with it.</param>
internal sealed record AbortRequest(string? Model, string? Name, bool IsPrefix)
{
    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static AbortRequest Parse(JsonElement body, ISequenceService service)
    {
        var fields = new JsonField(body, "").Object();
        string? name = fields.Take("rid")?.String(SamplingFields.MaxNameLength);
        bool isPrefix = fields.Take("prefix")?.Boolean() ?? false;
        bool all = fields.Take("abort_all")?.Boolean() ?? false;
        string? model = ControlFields.TakeModel(fields, service);
        fields.RefuseOthers("abort_message");
        if (isPrefix && !all && name is "")
        {
            throw ApiErrors.WrongValue("rid", "\"\"", "at least one character with 'prefix'; 'abort_all' ends all");
        }
        return all || name is not null
            ? new AbortRequest(model, all ? null : name, isPrefix)
            : throw ApiErrors.Missing("rid", "the id of a request, unless 'abort_all' is true");
    }
}

/// <summary>POST /update_weights_from_disk.</summary>
/// <param name="Model">Whose workers.</param>
/// <param name="Weights">What they get.</param>
internal sealed record UpdateWeightsRequest(ServedModel Model, WeightsRequest Weights)
{
    /// <summary>What SGLang's field of the name may say that happens anyway: the prefix cache is dropped, a paused worker stays so, and
    /// addresses stay, so that there is nothing to record or to free.</summary>
    public static readonly string[] Unsupported =
    [
        "flush_cache: true", "keep_pause: true", "recapture_cuda_graph: true or false", "torch_empty_cache: true or false", "token_step: 0", "is_async", "manifest",
    ];

    /// <summary>Maps and validates a body. Throws <see cref="ApiException"/>.</summary>
    public static UpdateWeightsRequest Parse(JsonElement body, ISequenceService service, DateTimeOffset now)
    {
        var fields = new JsonField(body, "").Object();
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        string? path = fields.Take("model_path")?.String();
        bool isDummy = fields.Take("load_format") is { } format && IsDummy(format);
        var seed = fields.Take("dummy_seed");
        string? version = fields.Take("weight_version")?.String(SamplingFields.MaxNameLength);
        bool aborts = fields.Take("abort_all_requests")?.Boolean() ?? false;
        fields.RefuseOthers(Unsupported);
        if (path is null && !isDummy)
        {
            throw ApiErrors.Missing("model_path", "a folder on the workers' nodes");
        }
        if (seed is { } given && !isDummy)
        {
            throw given.WrongValue("left out unless 'load_format' is 'dummy'");
        }
        return new UpdateWeightsRequest(model, new WeightsRequest
        {
            Update = Guid.NewGuid(),
            Asked = now,
            ModelPath = path,
            DummySeed = isDummy ? (ulong)(seed?.Int32(0) ?? 0) : null,
            Version = version,
            AbortsAll = aborts,
        });
    }

    /// <summary>The request's name for a property of <see cref="WeightsRequest"/>.</summary>
    public static string? NameOf(string? property) => property switch
    {
        nameof(WeightsRequest.ModelPath) => "model_path",
        nameof(WeightsRequest.AbortsAll) => "abort_all_requests",
        _ => null,
    };

    private static bool IsDummy(JsonField format) => format.String() switch
    {
        "dummy" => true,
        "auto" or "safetensors" => false,
        _ => throw format.WrongValue("'auto', 'safetensors' or 'dummy'"),
    };
}

/// <summary>What control requests share.</summary>
internal static class ControlFields
{
    /// <summary>The model that a request names, which must be served; null where it names none.</summary>
    public static string? TakeModel(JsonFields fields, ISequenceService service) =>
        fields.Take("model")?.String() is { } model ? ModelDirectory.Find(service, model).Id : null;
}
