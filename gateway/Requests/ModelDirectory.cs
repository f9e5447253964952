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
    public static ServedModel Resolve(ISequenceService service, string? name)
    {
        var models = service.Models;
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
        return Find(service, name);
    }

    /// <summary>The model of that name. A gateway that has just started may not know of it yet: then it is to be asked again, and
    /// the model is not called unknown.</summary>
    public static ServedModel Find(ISequenceService service, string name)
    {
        // Asked first: what is linked in between is among the models.
        bool knowsAll = service.KnowsAllModels;
        return service.Models.FirstOrDefault(model => string.Equals(model.Id, name, StringComparison.Ordinal))
            ?? throw (knowsAll ? ApiErrors.ModelNotFound(name) : ApiErrors.Unavailable(
                $"'model' is {JsonShown.Text(name)}, which no node serves that this gateway has heard of. It has just started and is still asking them; try again."));
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
