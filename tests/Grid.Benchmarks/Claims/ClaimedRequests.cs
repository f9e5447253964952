using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Grid.Benchmarks.Claims;

/// <summary>Requests that differ in length, sampling and in what is scored, each a function of its number.</summary>
internal sealed class ClaimedRequests(ClaimsOptions options)
{
    private static readonly string[] s_sampling =
    [
        "\"temperature\":0",
        "\"temperature\":1",
        "\"temperature\":1.4,\"top_p\":0.9,\"presence_penalty\":0.7,\"frequency_penalty\":0.3",
        "\"temperature\":0.8,\"top_k\":40,\"repetition_penalty\":1.2",
        "\"temperature\":0.9,\"min_p\":0.02,\"logit_bias\":{\"100\":6,\"300\":-4}",
        "\"temperature\":0,\"frequency_penalty\":1.1,\"repetition_penalty\":1.3",
    ];

    /// <summary>Request number i of those that are compared. Lengths go from 1 to the longest; every second prompt begins as the one before;
    /// every fourth is scored from its first token.</summary>
    public string Compared(int i, bool crossCheck)
    {
        int length = options.Requests == 1 ? options.PromptTokens : 1 + (int)((options.PromptTokens - 1L) * i / (options.Requests - 1));
        int[] prompt = Prompt(2 * i, length);
        if (i % 2 == 1)
        {
            Prompt(2 * (i - 1), length / 2).CopyTo(prompt, 0);
        }

        return Body(prompt, i, options.OutputTokens, crossCheck, i % 4 == 0 ? 0 : -1);
    }

    /// <summary>One of the others in round r, like none in another round.</summary>
    public string Other(int round, int i) => Body(
        Prompt((2 * ((round * 100_000) + i)) + 1, 1 + (i * 37 % options.PromptTokens)), i, 1 + (i * 11 % (2 * options.OutputTokens)), crossCheck: false, scoredFrom: -1);

    private string Body(int[] prompt, int i, int outputs, bool crossCheck, int scoredFrom) => new StringBuilder("{")
        .Append(options.Model is { } model ? $"\"model\":\"{JsonEncodedText.Encode(model)}\"," : "")
        .Append("\"input_ids\":[")
        .AppendJoin(',', prompt)
        .Append(CultureInfo.InvariantCulture, $"],\"return_logprob\":true,\"logprob_start_len\":{scoredFrom},\"top_logprobs_num\":{1 + (i % 4)},")
        .Append(CultureInfo.InvariantCulture, $"\"cross_check\":{(crossCheck ? "true" : "false")},\"sampling_params\":{{{s_sampling[i % s_sampling.Length]},")
        .Append(CultureInfo.InvariantCulture, $"\"max_new_tokens\":{outputs},\"sampling_seed\":{i},\"ignore_eos\":true}}}}").ToString();

    private int[] Prompt(int number, int length)
    {
        var random = new Random(number);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(options.Vocabulary))];
    }
}
