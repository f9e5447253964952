namespace Grid.Cli.Verification.Modes;

/// <summary>Two short prompts and a long one, mixed by chance in batches of growing size.</summary>
internal sealed class MixedMode() : Mode("mixed", "two short prompts and a long one, mixed in batches of growing size")
{
    /// <summary>From this size on, batches have long prompts, as the field's script has it; at most so many.</summary>
    private const int MostLong = 10;

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        foreach (int trial in run.Trials())
        {
            int longs = trial <= MostLong ? 0 : run.Random.Next(1, MostLong + 1);
            int firsts = run.Random.Next(1, trial - longs + 1);
            (string Name, Prompt Prompt)[] batch =
            [
                .. Enumerable.Repeat(("Prompt 1", run.Prompts.First), firsts),
                .. Enumerable.Repeat(("Prompt 2", run.Prompts.Second), trial - longs - firsts),
                .. Enumerable.Repeat(("Long prompt", run.Prompts.Long), longs),
            ];
            var answers = await run.AskAsync(new Questions([.. batch.Select(one => one.Prompt)], run.Settings.MaxTokens, run.Sampling));
            foreach (var (one, answer) in batch.Zip(answers))
            {
                run.Add(one.Name, "", InBatch(trial, trial), trial, answer);
            }
        }
    }
}
