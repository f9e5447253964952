namespace Grid.Cli.Verification.Modes;

/// <summary>Seeded draws of several kinds, all at once, each in batches of several sizes.</summary>
internal sealed class SampledMode() : Mode("sampled", "seeded draws with top_p, top_k, min_p and penalties, all kinds at once in batches of several sizes")
{
    private const int LargestBatch = 8;

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        double temperature = run.Settings.Temperature > 0 ? run.Settings.Temperature : 0.8;
        var drawn = run.Sampling with { Temperature = temperature };
        (string Name, Sampling Sampling)[] kinds =
        [
            ("temperature", drawn),
            ("another seed", drawn with { Seed = unchecked(drawn.Seed + 1) }),
            ("top_p 0.9", drawn with { TopP = 0.9 }),
            ("top_k 40", drawn with { TopK = 40 }),
            ("min_p 0.05", drawn with { MinP = 0.05 }),
            ("penalties", drawn with { PresencePenalty = 0.7, FrequencyPenalty = 0.3 }),
        ];
        foreach (int trial in run.Trials())
        {
            int size = ((trial - 1) % LargestBatch) + 1;
            var answers = await Task.WhenAll(kinds.Select(kind => run.AskAsync(Questions.Copies(run.Prompts.Second, size, run.Settings.MaxTokens, kind.Sampling))));
            for (int i = 0; i < kinds.Length; i++)
            {
                foreach (var answer in answers[i])
                {
                    run.Add(FormattableString.Invariant($"Temperature {temperature}, {kinds[i].Name}"), "", InBatch(trial, size), size * kinds.Length, answer);
                }
            }
        }
    }
}
