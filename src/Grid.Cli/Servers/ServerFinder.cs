using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>Reaches a server and finds out what it is.</summary>
internal static class ServerFinder
{
    /// <summary>Opens it. Throws <see cref="ServerException"/> with a sentence.</summary>
    /// <param name="options">How it is asked.</param>
    /// <param name="url">Where it is.</param>
    /// <param name="vocabulary">Ids are below this, where prompts are ids.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public static async Task<IAnsweringServer> OpenAsync(ServerOptions options, Uri url, int vocabulary, CancellationToken cancellationToken)
    {
        var connection = options.Connect(url);
        try
        {
            bool generate = await AsksGenerateAsync(connection, options.Api, cancellationToken);
            var description = await DescribeAsync(connection, generate ? "/generate" : "/v1/completions", options.Model, cancellationToken);
            AnsweringServer server = generate ? new GenerateServer(connection, description) : new OpenAiServer(connection, description);
            await server.ProbeAsync(vocabulary, cancellationToken);
            return server;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>How a server is asked, and its model where it says so. Throws <see cref="ServerException"/> with a sentence.</summary>
    public static async Task<(bool Generate, string? Model, bool IsGrid)> FindAsync(ServerConnection connection, ServerOptions options, CancellationToken cancellationToken)
    {
        bool generate = await AsksGenerateAsync(connection, options.Api, cancellationToken);
        var description = await DescribeAsync(connection, "", options.Model, cancellationToken);

        // SGLang's own /generate has one model, and no field for its name.
        return (generate, generate && description.Workers is null ? null : description.Model, description.IsGrid);
    }

    private static async Task<bool> AsksGenerateAsync(ServerConnection connection, Api api, CancellationToken cancellationToken) =>
        api == Api.Generate || (api == Api.Auto && await HasGenerateAsync(connection, cancellationToken));

    /// <summary>Whether it has /generate: then it minds that a request for nothing asks for nothing.</summary>
    private static async Task<bool> HasGenerateAsync(ServerConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await connection.PostAsync(GenerateServer.Path, new JsonObject(), cancellationToken);
            return true;
        }
        catch (ServerException exception) when (exception.Status is not (0 or 401 or 403))
        {
            return exception.Status is not (404 or 405 or 501);
        }
    }

    private static async Task<ServerDescription> DescribeAsync(ServerConnection connection, string api, string? wanted, CancellationToken cancellationToken)
    {
        var known = new ServerDescription(connection.Url, api) { Model = wanted };
        if (await TryGetAsync(connection, "v1/models", cancellationToken) is { } list && list["data"] is JsonArray { Count: > 0 } models)
        {
            var model = models.FirstOrDefault(one => wanted is null || (string?)one!["id"] == wanted)
                ?? throw new ServerException($"--model is '{wanted}'; {connection.Url} serves {string.Join(", ", models.Select(one => (string?)one!["id"]))}.");
            known = known with
            {
                Model = (string?)model["id"],
                ContextTokens = (int?)model["max_model_len"],
                Fingerprint = (string?)model["system_fingerprint"],
            };
        }

        if (await TryGetAsync(connection, "v1/grid", cancellationToken) is { } grid && grid["workers"] is JsonArray workers)
        {
            known = known with { Workers = workers.Count(worker => (string?)worker!["model"] == known.Model && (string?)worker["state"] == "live") };
        }

        return known;
    }

    /// <summary>Null where the server has no such page, or does not show it.</summary>
    private static async Task<JsonNode?> TryGetAsync(ServerConnection connection, string path, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.GetAsync(path, cancellationToken);
        }
        catch (ServerException exception) when (exception.Status != 0)
        {
            return null;
        }
    }
}
