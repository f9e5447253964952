namespace Grid.Cli.Verification.Modes;

/// <summary>The long prompt, computed in pieces that begin and end elsewhere each time: after a cached part of it, and beside other long
/// prompts that share the steps with it.</summary>
internal sealed class ChunkMode() : Mode("chunk", "the long prompt, cut into other pieces each time: behind a cached part, beside others that are as long")
{
    private const int MostOthers = 5;

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        if (run.Prompts.LongTokens is { } tokens)
        {
            run.Note(FormattableString.Invariant($"The long prompt has {tokens} tokens; where a step takes more, only cached parts cut it."));
        }

        foreach (int trial in run.Trials())
        {
            // The first trial is the prompt alone, whole.
            int others = (trial - 1) % (MostOthers + 1);
            int cached = trial == 1 || run.Prompts.Long.Length == 1 ? 0 : run.Random.Next(run.Prompts.Long.Length);
            await run.EmptyCacheAsync();
            if (cached > 0)
            {
                await run.AskAsync(new Questions([run.Prompts.Long.Slice(0, cached)], 1, run.Sampling));
            }

            Prompt[] batch = [.. Enumerable.Range(1, others).Select(i => run.Prompts.Long.Slice(i % run.Prompts.Long.Length, run.Prompts.Long.Length - (i % run.Prompts.Long.Length))), run.Prompts.Long];
            var answers = await run.AskAsync(new Questions(batch, run.Settings.MaxTokens, run.Sampling));
            string unit = run.Prompts.AreText ? "characters" : "ids";
            run.Add("Long prompt", "", FormattableString.Invariant($"trial {trial}, {cached} {unit} cached, {others} others"), batch.Length, answers[^1]);
        }
    }
}
