namespace Grid.Cli.Verification.Modes;

/// <summary>One prompt alone, and then while more and more others run: other prompts, lengths and ways to draw, each a request of its own.</summary>
internal sealed class CrowdMode() : Mode("crowd", "one prompt alone, and beside more and more requests of other lengths and sampling")
{
    private const int LongestPart = 1024;

    private static readonly Sampling[] s_sampling =
    [
        new(),
        new() { Temperature = 1 },
        new() { Temperature = 0.8, TopK = 40 },
        new() { Temperature = 1.2, TopP = 0.9, PresencePenalty = 0.7 },
        new() { Temperature = 0.9, MinP = 0.02, FrequencyPenalty = 0.3 },
    ];

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        foreach (int trial in run.Trials())
        {
            int crowd = run.Settings.Trials == 1 ? run.Settings.Crowd : run.Settings.Crowd * (trial - 1) / (run.Settings.Trials - 1);
            Questions[] others = [.. Enumerable.Range(0, crowd).Select(i => new Questions(
                [run.Prompts.Part(run.Random, LongestPart)], run.Random.Next(1, run.Settings.MaxTokens + 1),
                s_sampling[i % s_sampling.Length] with { Seed = (trial * 1000) + i }))];
            await run.EmptyCacheAsync();
            var asked = others.Select(run.AskAsync).ToList();
            var one = run.AskAsync(run.Prompts.First);
            await Task.WhenAll([one, .. asked]);
            run.Add("Prompt 1", "", crowd == 0 ? $"trial {trial}, alone" : $"trial {trial}, beside {crowd} others", crowd + 1, await one);
        }
    }
}
