namespace Grid.Cli.Verification.Modes;

/// <summary>Prompts that begin alike, of four lengths, mixed by chance in batches of growing size; each trial begins with an empty cache.</summary>
internal sealed class PrefixMode() : Mode("prefix", "four lengths of one long prompt, mixed in batches of growing size, each time from an empty prefix cache")
{
    /// <summary>The field's, in characters.</summary>
    private static readonly int[] s_lengths = [1, 511, 2048, 4097];

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        // Where the longest does not fit, all are shorter in the same proportion.
        double scale = Math.Min(1, (double)run.Prompts.Long.Length / run.Prompts.Units(s_lengths[^1]));
        int[] lengths = [.. s_lengths.Select(length => Math.Max(1, (int)(run.Prompts.Units(length) * scale))).Distinct()];
        foreach (int trial in run.Trials())
        {
            await run.EmptyCacheAsync();
            int[] chosen = [.. Enumerable.Range(0, trial).Select(_ => run.Random.Next(lengths.Length))];
            var answers = await run.AskAsync(new Questions([.. chosen.Select(i => run.Prompts.Long.Slice(0, lengths[i]))], run.Settings.MaxTokens, run.Sampling));
            foreach (var (i, answer) in chosen.Zip(answers).OrderBy(pair => pair.First))
            {
                run.Add(FormattableString.Invariant($"Prompt {i} with prefix length {lengths[i]}"), "", InBatch(trial, trial), trial, answer);
            }
        }
    }
}
