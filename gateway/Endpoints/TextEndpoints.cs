using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Gateway.Answers;
using Grid.Gateway.Http;
using Grid.Gateway.Json;
using Grid.Gateway.Requests;
using Grid.Sequences;
using Microsoft.Extensions.Options;

namespace Grid.Gateway.Endpoints;

/// <summary>Text to ids and back, in the forms of vLLM and SGLang, with the tokenizer that prompts and answers go through.</summary>
internal sealed class TextEndpoints(ISequenceService service, BodyBudget budget, IOptions<GatewayOptions> options)
{
    /// <summary>POST /tokenize: a prompt, prompts, or a chat.</summary>
    public Task TokenizeAsync(HttpContext context) => AnswerAsync(context, Tokenize);

    /// <summary>POST /detokenize: a list of ids, or of such lists.</summary>
    public Task DetokenizeAsync(HttpContext context) => AnswerAsync(context, Detokenize);

    private async Task AnswerAsync(HttpContext context, Func<JsonFields, JsonObject> answer) =>
        await JsonResponse.WriteAsync(context, await RequestBody.ReadAsync(context, budget, options.Value, body => answer(new JsonField(body, "").Object())));

    private JsonObject Tokenize(JsonFields fields)
    {
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        var text = ModelDirectory.RequireText(model);
        bool withTexts = fields.Take("return_token_strs")?.Boolean() ?? false;
        bool? addSpecialTokens = fields.TakeGiven("add_special_tokens")?.Boolean();
        string[] prompts;
        bool isList = false;
        if (fields.TakeGiven("prompt") is { } prompt)
        {
            prompts = prompt.Strings(options.Value.MaxSequencesPerRequest, mayBeEmpty: true);
            isList = prompt.Kind == JsonValueKind.Array;
        }
        else
        {
            prompts = [ChatRequest.TakePrompt(fields, model, text)];
            addSpecialTokens ??= false;
        }
        fields.RefuseOthers("continue_final_message", "chat_template", "media_io_kwargs", "mm_processor_kwargs", "tools");
        int[][] ids = [.. prompts.Select(one => text.Tokenizer.Encode(one, parseSpecialTokens: true, addSpecialTokens ?? true))];
        var json = new JsonObject
        {
            ["count"] = Each(ids, one => one.Length),
            ["max_model_len"] = model.MaxContextTokens,
            ["tokens"] = Each(ids, one => new JsonArray([.. one.Select(id => (JsonNode)id)])),
        };
        if (withTexts)
        {
            json["token_strs"] = Each(ids, one => new JsonArray([.. one.Select(id => (JsonNode)TokenJson.Name(text.Tokenizer, id))]));
        }
        return json;

        JsonNode Each(int[][] all, Func<int[], JsonNode> of) => isList ? new JsonArray([.. all.Select(of)]) : of(all[0]);
    }

    private JsonObject Detokenize(JsonFields fields)
    {
        var model = ModelDirectory.Resolve(service, fields.Take("model")?.String());
        var tokenizer = ModelDirectory.RequireText(model).Tokenizer;
        bool skipSpecialTokens = fields.TakeGiven("skip_special_tokens")?.Boolean() ?? true;
        var field = fields.Require("tokens", "a list of token ids or a list of such lists");
        fields.RefuseOthers();
        field.RequireList("a list of token ids or a list of such lists");
        bool isList = field.Value.GetArrayLength() > 0 && field.Value[0].ValueKind == JsonValueKind.Array;
        int vocabulary = service.Snapshot.Workers.Where(worker => worker.Status.ModelId == model.Id)
            .Select(worker => worker.Status.Limits.VocabularySize).DefaultIfEmpty(tokenizer.VocabularySize).Max();
        int[][] ids = [.. (isList ? field.Items() : [field]).Select(one => one.TokenIds(below: vocabulary))];
        return new JsonObject { ["prompt"] = Texts(skip: false), ["text"] = Texts(skipSpecialTokens) };

        JsonNode Texts(bool skip)
        {
            var texts = ids.Select(one => (JsonNode)tokenizer.Decode(one, skip));
            return isList ? new JsonArray([.. texts]) : texts.First();
        }
    }
}
