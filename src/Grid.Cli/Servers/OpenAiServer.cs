using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>A server that is asked by OpenAI's /v1/completions; token ids are vLLM's extension of it, which Grid has too.</summary>
internal sealed class OpenAiServer(ServerConnection connection, ServerDescription description) : AnsweringServer(connection, description)
{
    /// <summary>Its path.</summary>
    public const string Path = "v1/completions";

    private bool _askForIds = true;

    /// <inheritdoc/>
    protected override async Task<ServerDescription> ProbeAsync(ServerDescription known, int vocabulary, CancellationToken cancellationToken)
    {
        Answer answer;
        bool takesText;
        try
        {
            (answer, takesText) = await AskForLittleAsync(vocabulary, cancellationToken);
        }
        catch (ServerException exception) when (exception.Status is 400 or 422)
        {
            _askForIds = false; // A server that knows the field not may refuse it.
            (answer, takesText) = await AskForLittleAsync(vocabulary, cancellationToken);
        }

        return Described(known, answer, takesText);
    }

    /// <inheritdoc/>
    protected override (string Path, JsonObject Body) Request(Questions questions)
    {
        var sampling = questions.Sampling;
        var body = new JsonObject
        {
            ["prompt"] = new JsonArray([.. questions.Prompts.Select(prompt => prompt.Text is { } text ? (JsonNode)text : new JsonArray([.. prompt.Ids.Select(id => (JsonNode)id)]))]),
            ["max_tokens"] = questions.MaxTokens,
            ["temperature"] = sampling.Temperature,
            ["top_p"] = sampling.TopP,
            ["seed"] = sampling.Seed,
            ["logprobs"] = 1,
        };
        SamplingFields.AddUnusual(body, sampling);
        if (Description.Model is { } model)
        {
            body["model"] = model;
        }

        if (_askForIds)
        {
            body["return_token_ids"] = true;
        }

        if (questions.ScorePrompts)
        {
            body["echo"] = true;
        }

        if (questions.CrossCheck)
        {
            body["cross_check"] = true;
        }

        return (Path, body);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Answer> Read(Questions questions, JsonNode answer)
    {
        bool one = questions.Prompts.Count == 1; // What several used is told of all together.
        return [.. answer["choices"]!.AsArray().OrderBy(choice => (int)choice!["index"]!).Select(choice => ReadChoice(questions, choice!) with
        {
            PromptCount = one ? (int?)answer["usage"]?["prompt_tokens"] : null,
            CachedCount = one ? (int?)answer["usage"]?["prompt_tokens_details"]?["cached_tokens"] : null,
            Fingerprint = (string?)answer["system_fingerprint"],
        })];
    }

    private static Answer ReadChoice(Questions questions, JsonNode choice)
    {
        int?[] promptIds = Ids(choice["prompt_token_ids"]);
        int?[] ids = Ids(choice["token_ids"]);
        string?[] texts = [.. choice["logprobs"]?["tokens"]?.AsArray().Select(token => (string?)token) ?? []];
        double?[] logprobs = [.. choice["logprobs"]?["token_logprobs"]?.AsArray().Select(logprob => (double?)logprob) ?? []];

        // With echo, the prompt's tokens come first.
        int prompt = questions.ScorePrompts ? promptIds.Length : 0;
        int?[] all = questions.ScorePrompts ? [.. promptIds, .. ids] : ids;
        int count = Math.Max(texts.Length, all.Length);
        ScoredToken[] tokens = [.. Enumerable.Range(0, count).Select(i => new ScoredToken(all.ElementAtOrDefault(i), texts.ElementAtOrDefault(i), logprobs.ElementAtOrDefault(i)))];
        return new Answer((string?)choice["text"] ?? "", [.. tokens.Skip(prompt)], (string?)choice["finish_reason"] ?? "") { PromptTokens = [.. tokens.Take(prompt)] };
    }

    private static int?[] Ids(JsonNode? array) => [.. array?.AsArray().Select(id => (int?)id) ?? []];
}
