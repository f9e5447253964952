using Grid.Gateway.Http;
using Grid.Sequences;

namespace Grid.Gateway.Requests;

/// <summary>Finds the model a request means.</summary>
internal static class ModelDirectory
{
    public const string NothingServed = "No worker serves a model at the moment; try again later.";

    /// <summary>The model of that name; without a name, the one that is served when there is only one.</summary>
    public static ServedModel Resolve(IReadOnlyList<ServedModel> models, string? name)
    {
        if (models.Count == 0)
        {
            throw ApiErrors.Unavailable(NothingServed);
        }
        if (name is null)
        {
            return models.Count == 1
                ? models[0]
                : throw ApiErrors.Missing("model", $"the id of one of the {models.Count} models served (GET /v1/models lists them)");
        }
        foreach (var model in models)
        {
            if (string.Equals(model.Id, name, StringComparison.Ordinal))
            {
                return model;
            }
        }
        throw ApiErrors.ModelNotFound(name);
    }
}
