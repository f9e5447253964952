using System.Text.Json.Nodes;
using Grid.Cli.Verification;

namespace Grid.Cli.Servers;

/// <summary>Fields that both APIs name alike, and that are sent only where they ask for something: not every server knows all of them.</summary>
internal static class SamplingFields
{
    /// <summary>Adds them.</summary>
    public static void AddUnusual(JsonObject fields, Sampling sampling)
    {
        if (sampling.TopK > 0)
        {
            fields["top_k"] = sampling.TopK;
        }

        Add(fields, "min_p", sampling.MinP);
        Add(fields, "presence_penalty", sampling.PresencePenalty);
        Add(fields, "frequency_penalty", sampling.FrequencyPenalty);
    }

    private static void Add(JsonObject fields, string name, double value)
    {
        if (value != 0)
        {
            fields[name] = value;
        }
    }
}
