namespace Grid.Cli.Verification.Modes;

/// <summary>What a grid does when it loses a worker: another one goes on from the tokens so far. Here two go on, at once, from a place chosen by
/// chance, and must give what the first gave.</summary>
internal sealed class FailoverMode() : Mode("failover", "answers that two workers go on with, each, from a place in their middle, as after the loss of a third")
{
    /// <inheritdoc/>
    public override string? WhyNot(ServerDescription server) => server.Workers switch
    {
        null => "the server does not say at /v1/grid which workers it has",
        < 2 => FormattableString.Invariant($"the grid has {server.Workers} worker of the model; going on at another one takes two"),
        _ => server.GivesIds ? null : "the server does not give token ids",
    };

    /// <inheritdoc/>
    public override async Task RunAsync(ModeRun run)
    {
        var before = await run.QuarantinedWorkersAsync();
        foreach (int trial in run.Trials())
        {
            var prompt = run.Prompts.Part(run.Random, int.MaxValue);
            var whole = (await run.AskAsync(new Questions([prompt], run.Settings.MaxTokens, run.Sampling) { ScorePrompts = true }))[0];
            if (whole.Tokens.Count < 2)
            {
                continue;
            }

            int cut = run.Random.Next(1, whole.Tokens.Count);
            int[] soFar = [.. whole.PromptTokens.Concat(whole.Tokens.Take(cut)).Select(token => token.Id!.Value)];
            var rest = (await run.AskAsync(new Questions([Prompt.Of(soFar)], run.Settings.MaxTokens - cut, run.Sampling) { CrossCheck = true }))[0];
            string group = FormattableString.Invariant($"trial {trial}");
            run.Add("Answers from their middle on", group, "one worker, from the beginning", 1, Rest(whole, cut));
            run.Add("Answers from their middle on", group, FormattableString.Invariant($"two workers, from token {cut} on"), 2, Rest(rest, 0));
        }

        foreach (string worker in (await run.QuarantinedWorkersAsync()).Except(before))
        {
            run.Add("Workers", worker, "at the beginning", 1, new Answer("serves", [], ""));
            run.Add("Workers", worker, "at the end", 1, new Answer("is in quarantine, because the grid found that its bits differ", [], ""));
        }
    }

    /// <summary>Ids and logprobs alone: the rest of an answer ends for another reason where its length does, and shows half a character
    /// otherwise.</summary>
    private static Answer Rest(Answer answer, int from) => new("", [.. answer.Tokens.Skip(from).Select(token => token with { Text = null })], "");
}
