using Grid.Gateway.Http;
using Grid.Sequences;
using Grid.Text;

namespace Grid.Gateway.Requests;

/// <summary>Finds the model a request means.</summary>
internal static class ModelDirectory
{
    public const string NothingServed = "No worker serves a model at the moment; try again later.";

    private const string NoTokenizer = "no_tokenizer";

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

    /// <summary>The tokenizer and template of a model, for an endpoint that answers in text.</summary>
    public static TextModel RequireText(ServedModel model) => model.Text ?? throw ApiErrors.Invalid("model", NoTokenizer,
        $"'model' is {JsonShown.Text(model.Id)}, which is served without a tokenizer; use /generate with 'input_ids'.");

    /// <summary>Refuses a field that means text for a model without a tokenizer.</summary>
    public static void RequireText(ServedModel model, string path, string instead)
    {
        if (model.Text is null)
        {
            throw ApiErrors.Invalid(path, NoTokenizer,
                $"'{path}' needs a tokenizer, and model {JsonShown.Text(model.Id)} is served without one; {instead}.");
        }
    }
}
