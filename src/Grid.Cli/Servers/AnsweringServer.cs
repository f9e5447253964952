using System.Text.Json;
using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>What both APIs have in common: caches, the grid's workers, and answers that have not the form that they should have.</summary>
internal abstract class AnsweringServer(ServerConnection connection, ServerDescription description) : IAnsweringServer
{
    /// <summary>What empties a prefix cache: SGLang's, which is Grid's too, and vLLM's.</summary>
    private static readonly string[] s_cachePaths = ["flush_cache", "reset_prefix_cache"];

    private string? _cachePath;

    // What Grid remembers of an answer would prove nothing; others know no such field.
    private bool _asksAnew = description.IsGrid;

    /// <inheritdoc/>
    public ServerDescription Description { get; private set; } = description;

    /// <inheritdoc/>
    public int SentAgain => connection.SentAgain;

    /// <summary>JSON to and from it.</summary>
    protected ServerConnection Connection => connection;

    /// <summary>Finds out what it can, by asking. Throws <see cref="ServerException"/>.</summary>
    /// <param name="vocabulary">Ids are below this.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public async Task ProbeAsync(int vocabulary, CancellationToken cancellationToken)
    {
        try
        {
            Description = await ProbeAsync(Description, vocabulary, cancellationToken);
        }
        catch (ServerException exception) when (_asksAnew && exception.Status == 400)
        {
            _asksAnew = false; // A Grid that remembers nothing yet.
            Description = await ProbeAsync(Description, vocabulary, cancellationToken);
        }

        Description = Description with { WhyCacheStays = await FindCacheAsync(cancellationToken) };
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Answer>> AskAsync(Questions questions, CancellationToken cancellationToken)
    {
        var (path, body) = Request(questions);
        if (_asksAnew)
        {
            body["cache"] = false;
        }

        var answer = await connection.PostAsync(path, body, cancellationToken);
        IReadOnlyList<Answer> answers;
        try
        {
            answers = Read(questions, answer ?? throw new InvalidOperationException("nothing"));
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException or NullReferenceException or ArgumentException or JsonException)
        {
            throw new ServerException($"/{path} answered in another form than the API's: {exception.Message}");
        }

        return answers.Count == questions.Prompts.Count
            ? answers
            : throw new ServerException($"/{path} gave {answers.Count} answers to {questions.Prompts.Count} prompts.");
    }

    /// <inheritdoc/>
    public async Task EmptyCacheAsync(CancellationToken cancellationToken) => await connection.PostAsync(_cachePath!, null, cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> QuarantinedWorkersAsync(CancellationToken cancellationToken)
    {
        var grid = await connection.GetAsync("v1/grid", cancellationToken);
        return [.. grid!["workers"]!.AsArray().Where(worker => (string?)worker!["state"] == "quarantined").Select(worker => (string)worker!["id"]!)];
    }

    /// <inheritdoc/>
    public void Dispose() => connection.Dispose();

    /// <summary>Finds out what this API of it can.</summary>
    protected abstract Task<ServerDescription> ProbeAsync(ServerDescription known, int vocabulary, CancellationToken cancellationToken);

    /// <summary>What an answer shows that a server can.</summary>
    protected static ServerDescription Described(ServerDescription known, Answer answer, bool takesText) => known with
    {
        TakesText = takesText,
        GivesIds = answer.Tokens.Count > 0 && answer.Tokens[0].Id is not null,
        GivesLogprobs = answer.Tokens.Count > 0 && answer.Tokens[0].Logprob is not null,
        Fingerprint = answer.Fingerprint ?? known.Fingerprint,
    };

    /// <summary>The request.</summary>
    protected abstract (string Path, JsonObject Body) Request(Questions questions);

    /// <summary>Its answers.</summary>
    protected abstract IReadOnlyList<Answer> Read(Questions questions, JsonNode answer);

    /// <summary>Asks something small: whether prompts may be text, and whether answers have logprobs.</summary>
    protected async Task<(Answer Answer, bool TakesText)> AskForLittleAsync(int vocabulary, CancellationToken cancellationToken)
    {
        try
        {
            return ((await AskAsync(new Questions([Prompt.Of("One")], 1, new Sampling()), cancellationToken))[0], true);
        }
        catch (ServerException exception) when (exception.Status == 400)
        {
            // A model without a tokenizer takes ids alone. Where it takes those neither, what was said of the text is the reason.
            Description = Description with { TakesText = false }; // Nor does it give texts back.
            try
            {
                return ((await AskAsync(new Questions([Prompt.Of(LongText.Ids(3, vocabulary))], 1, new Sampling()), cancellationToken))[0], false);
            }
            catch (ServerException other) when (other.Status == 400)
            {
                Description = Description with { TakesText = true };
                throw exception;
            }
        }
    }

    private async Task<string?> FindCacheAsync(CancellationToken cancellationToken)
    {
        string? reason = null;
        foreach (string path in s_cachePaths)
        {
            try
            {
                await connection.PostAsync(path, null, cancellationToken);
                _cachePath = path;
                return null;
            }
            catch (ServerException exception) when (exception.Status != 0)
            {
                reason ??= exception.Message;
            }
        }

        return reason;
    }
}
