using Grid.Gateway.Running;

namespace Grid.Gateway.Answers;

/// <summary>Token counts of a request.</summary>
internal static class Usage
{
    /// <summary>Prompt tokens and cached ones counted once per prompt (its first answer's), output tokens of all.</summary>
    public static (int Prompt, int Cached, int Completion) Of(IReadOnlyList<Transcript> transcripts, int promptCount)
    {
        var (prompt, cached, completion) = (0, 0, 0);
        int choices = transcripts.Count / promptCount;
        foreach (var transcript in transcripts)
        {
            completion += transcript.CompletionTokens;
            if (transcript.Index % choices == 0)
            {
                prompt += transcript.PromptTokens;
                cached += transcript.CachedTokens;
            }
        }
        return (prompt, cached, completion);
    }
}
