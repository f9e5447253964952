namespace Grid.Cli.Verification.Modes;

/// <summary>Tokens that were generated one by one (decode) have the logprobs that the same tokens have as a prompt (prefill).</summary>
internal sealed class PrefillDecodeMode() : Mode("p_vs_d", "logprobs of tokens as they were generated, against the same tokens as a prompt, in batches of growing size")
{
    /// <inheritdoc/>
    public override string? WhyNot(ServerDescription server) =>
        !server.GivesIds ? "the server does not give token ids"
        : !server.GivesLogprobs ? "the server does not give logprobs"
        : null;

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        // Other servers divide the logits of what they draw by the temperature, and those of prompts not.
        bool scaled = run.Server.Workers is null && run.Settings.Temperature is not (0 or 1);
        var sampling = scaled ? run.Sampling with { Temperature = 1 } : run.Sampling;
        if (scaled)
        {
            run.Note("Asked with temperature 1: with another, servers other than Grid scale the logprobs of outputs and not those of prompts.");
        }

        foreach (int trial in run.Trials())
        {
            Prompt[] prompts = [.. Enumerable.Range(0, trial).Select(_ => run.Prompts.Part(run.Random, int.MaxValue))];
            await run.EmptyCacheAsync();
            var decoded = await run.AskAsync(new Questions(prompts, run.Settings.MaxTokens, sampling) { ScorePrompts = true });
            Answer[] wholes = [.. decoded.Select(answer => Scored([.. answer.PromptTokens, .. answer.Tokens]))];
            await run.EmptyCacheAsync();
            var prefilled = await run.AskAsync(
                new Questions([.. wholes.Select(whole => Prompt.Of(whole.Tokens.Select(token => token.Id!.Value)))], 1, sampling) { ScorePrompts = true });
            for (int i = 0; i < wholes.Length; i++)
            {
                string group = FormattableString.Invariant($"sequence {i} of trial {trial}");
                run.Add("Prefill and decode", group, FormattableString.Invariant($"decode, a batch of {trial}"), trial, wholes[i]);
                run.Add("Prefill and decode", group, FormattableString.Invariant($"prefill, a batch of {trial}"), trial, Scored(prefilled[i].PromptTokens));
            }
        }
    }

    /// <summary>Ids and logprobs alone.</summary>
    private static Answer Scored(IReadOnlyList<ScoredToken> tokens) => new("", [.. tokens.Select(token => token with { Text = null })], "");
}
