namespace Grid.Cli.Verification.Modes;

/// <summary>One prompt in batches of 1, 2, 3, ... copies.</summary>
internal sealed class SingleMode() : Mode("single", "one prompt in batches of 1 to as many copies as there are trials")
{
    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        foreach (int trial in run.Trials())
        {
            foreach (var answer in await run.AskAsync(Questions.Copies(run.Prompts.First, trial, run.Settings.MaxTokens, run.Sampling)))
            {
                run.Add("Prompt 1", "", InBatch(trial, trial), trial, answer);
            }
        }
    }
}
