namespace Grid.Cli.Verification.Modes;

/// <summary>The same prompt from an empty prefix cache and out of it; and a prompt with its answer, of which all but the last tokens are
/// cached, against the same from an empty cache.</summary>
internal sealed class RadixCacheMode() : Mode("radix_cache", "prompts and prompts with their answers, out of the prefix cache and from an empty one")
{
    private const int LongestPart = 2048;

    /// <inheritdoc/>
    public override string? WhyNot(ServerDescription server) => server.WhyCacheStays;

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        int? cached = null;
        foreach (int trial in run.Trials())
        {
            var prompt = run.Prompts.Part(run.Random, LongestPart, least: 0.5); // Caches keep whole pages only.
            string group = FormattableString.Invariant($"prompt of trial {trial}");
            await run.EmptyCacheAsync();
            var cold = await run.AskAsync(prompt);
            var warm = await run.AskAsync(prompt);
            run.Add("Prompts", group, "from an empty cache", 1, cold);
            run.Add("Prompts", group, "again, out of the cache", 1, warm);
            cached = warm.CachedCount is { } count ? (cached ?? 0) + count : cached;
            if (run.Server.GivesIds && cold.Tokens.Count > 1)
            {
                cached += await ContinueAsync(run, group, prompt, cold);
            }
        }

        run.Note(cached switch
        {
            null => "The server does not say how many tokens came out of its cache.",
            0 => "The server says that no token came out of its cache: whether a cached one changes an answer was not seen.",
            { } tokens => FormattableString.Invariant($"{tokens} tokens came out of the cache, as the server says."),
        });
    }

    /// <summary>The prompt and its answer without the last token, which is drawn again. Gives how many tokens were cached.</summary>
    private static async Task<int> ContinueAsync(ModeRun run, string group, Prompt prompt, Answer answer)
    {
        int[] prefix = [.. await IdsAsync(run, prompt), .. answer.Tokens.SkipLast(1).Select(token => token.Id!.Value)];
        var next = new Questions([Prompt.Of(prefix)], 1, run.Sampling);
        await run.EmptyCacheAsync();
        await run.AskAsync(prompt);
        var cached = (await run.AskAsync(next))[0];
        await run.EmptyCacheAsync();
        var uncached = (await run.AskAsync(next))[0];
        run.Add("Prompts with answers", group, "out of the cache", 1, cached);
        run.Add("Prompts with answers", group, "from an empty cache", 1, uncached);
        return cached.CachedCount ?? 0;
    }

    /// <summary>The ids of a prompt.</summary>
    private static async Task<IEnumerable<int>> IdsAsync(ModeRun run, Prompt prompt)
    {
        if (prompt.Text is null)
        {
            return prompt.Ids;
        }

        var scored = (await run.AskAsync(new Questions([prompt], 1, run.Sampling) { ScorePrompts = true }))[0];
        return scored.PromptTokens.Select(token => token.Id!.Value);
    }
}
