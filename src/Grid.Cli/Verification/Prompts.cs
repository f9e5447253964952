namespace Grid.Cli.Verification;

/// <summary>What is asked: two short prompts and a long one, cut to what the servers take.</summary>
/// <param name="First">A short one.</param>
/// <param name="Second">Another.</param>
/// <param name="Long">The long one.</param>
/// <param name="LongTokens">Its tokens; null where no server said.</param>
/// <param name="Cut">Says that the long one was cut, and to what; null where it was not.</param>
internal sealed record Prompts(Prompt First, Prompt Second, Prompt Long, int? LongTokens, string? Cut)
{
    private const int Attempts = 24;

    /// <summary>Left free beyond an answer: a part of a text may have a few tokens more than its share of the whole.</summary>
    private const int Slack = 16;

    /// <summary>Characters of a prompt of text for each id of one of ids.</summary>
    private const int CharactersPerId = 4;

    private Prompts(Prompt first, Prompt second, Prompt whole) : this(first, second, whole, null, null)
    {
    }

    /// <summary>Whether prompts are text.</summary>
    public bool AreText => Long.Text is not null;

    /// <summary>Characters or ids that stand for so many characters.</summary>
    public int Units(int characters) => AreText ? characters : Math.Max(1, characters / CharactersPerId);

    /// <summary>A part of the long prompt, chosen by chance: up to so many characters, and at least this share of what it may have.</summary>
    public Prompt Part(Random random, int longest, double least = 0)
    {
        int most = Math.Min(Units(longest), Long.Length);
        int length = random.Next(Math.Max(1, (int)(most * least)), most + 1);
        return Long.Slice(random.Next(Long.Length - length + 1), length);
    }

    /// <summary>Finds what all the servers take. Throws <see cref="ServerException"/>.</summary>
    public static async Task<Prompts> FitAsync(IReadOnlyList<IAnsweringServer> servers, VerificationSettings settings, CancellationToken cancellationToken)
    {
        bool text = servers.All(server => server.Description.TakesText);
        var wanted = text
            ? new Prompts(
                Prompt.Of("Tell me about the first lighthouses: "),
                Prompt.Of("Write down a hundred numbers. Begin at once with the first of them, and write nothing else."),
                Prompt.Of(LongText.Of(settings.LongPrompt)))
            : new Prompts(
                Prompt.Of(LongText.Ids(10, settings.Vocabulary)),
                Prompt.Of(LongText.Ids(60, settings.Vocabulary).Skip(35)),
                Prompt.Of(LongText.Ids(Math.Max(1, settings.LongPrompt / CharactersPerId), settings.Vocabulary)));
        var fitted = wanted;
        foreach (var server in servers)
        {
            fitted = await FitAsync(server, fitted, settings, cancellationToken);
        }

        string unit = text ? "characters" : "ids";
        return fitted.Long.Length == wanted.Long.Length ? fitted : fitted with
        {
            Cut = FormattableString.Invariant($"The long prompt is cut from {wanted.Long.Length} to {fitted.Long.Length} {unit}{(fitted.LongTokens is { } tokens && text ? FormattableString.Invariant($", {tokens} tokens") : "")}: with an answer of {settings.MaxTokens} tokens the model takes no more."),
        };
    }

    private static async Task<Prompts> FitAsync(IAnsweringServer server, Prompts prompts, VerificationSettings settings, CancellationToken cancellationToken)
    {
        int room = settings.MaxTokens + Slack;
        if (server.Description.ContextTokens is { } all && all <= room)
        {
            throw new ServerException($"--max-new-tokens is {settings.MaxTokens}, but the model takes {all} tokens of prompt and answer together.");
        }

        string? refusal = null;
        int length = prompts.Long.Length;
        for (int attempt = 0; attempt < Attempts && length > 0; attempt++)
        {
            try
            {
                // Where the context is not known, a whole answer is asked for: the refusal of that says what fits.
                int tokens = server.Description.ContextTokens is null ? room : 1;
                var answers = await server.AskAsync(new Questions([prompts.Long.Slice(0, length)], tokens, new Sampling { Seed = settings.Seed }), cancellationToken);
                int? count = answers[0].PromptCount;
                if (count is not { } had || server.Description.ContextTokens is not { } context || had + room <= context)
                {
                    return prompts with { Long = prompts.Long.Slice(0, length), LongTokens = count };
                }

                length = Math.Min(length - 1, (int)((long)length * (context - room) / had));
            }
            catch (ServerException exception) when (exception.Status is 400 or 413 or 422)
            {
                refusal = exception.Message;
                length = length * 3 / 4;
            }
        }

        throw new ServerException($"no part of the long prompt was taken: {refusal}");
    }
}
