using System.Globalization;

namespace Grid.Benchmarks.Claims;

/// <summary>What a server is asked, and how often.</summary>
internal sealed record ClaimsOptions
{
    public const string Help = """
        claims: asks a running server's /generate the same things in different company, and compares ids and logprobs by bytes.
          --url <address>           The server (default http://127.0.0.1:8000)
          --model <name>            The model, where the server has several
          --requests <number>       Requests that are compared (default 32)
          --prompt-tokens <number>  Ids of the longest prompt (default 3000)
          --output-tokens <number>  Tokens of each answer (default 48)
          --crowd <number>          Other requests that run beside them in a crowd (default 64)
          --vocabulary <number>     Prompt ids are below this (default 1000)
          --rounds <list>           Of alone, crowd, cached, checked (default all; checked wants two workers)
          --answers <file>          What to compare with; where it is not there, the first round's answers are written to it
          --timeout <seconds>       For one request (default 300)
        """;

    private static readonly string[] s_rounds = ["alone", "crowd", "cached", "checked"];

    public Uri Url { get; private init; } = new("http://127.0.0.1:8000");

    public string? Model { get; private init; }

    public int Requests { get; private init; } = 32;

    public int PromptTokens { get; private init; } = 3000;

    public int OutputTokens { get; private init; } = 48;

    public int Crowd { get; private init; } = 64;

    public int Vocabulary { get; private init; } = 1000;

    public IReadOnlyList<string> Rounds { get; private init; } = s_rounds;

    public string? Answers { get; private init; }

    public TimeSpan Timeout { get; private init; } = TimeSpan.FromSeconds(300);

    /// <summary>Reads the arguments; throws <see cref="FormatException"/> with a sentence.</summary>
    public static ClaimsOptions Parse(ReadOnlySpan<string> args)
    {
        var options = new ClaimsOptions();
        for (int i = 0; i < args.Length; i += 2)
        {
            string value = i + 1 < args.Length ? args[i + 1] : throw new FormatException($"{args[i]} has no value.");
            options = args[i] switch
            {
                "--url" => options with { Url = Uri.TryCreate(value, UriKind.Absolute, out var url) ? url : throw Wrong(args[i], value, "an address such as http://127.0.0.1:8000") },
                "--model" => options with { Model = value },
                "--requests" => options with { Requests = Whole(args[i], value, 1) },
                "--prompt-tokens" => options with { PromptTokens = Whole(args[i], value, 2) },
                "--output-tokens" => options with { OutputTokens = Whole(args[i], value, 1) },
                "--crowd" => options with { Crowd = Whole(args[i], value, 0) },
                "--vocabulary" => options with { Vocabulary = Whole(args[i], value, 2) },
                "--rounds" => options with { Rounds = value.Split(',').All(s_rounds.Contains) ? value.Split(',') : throw Wrong(args[i], value, $"a list of {string.Join(", ", s_rounds)}") },
                "--answers" => options with { Answers = value },
                "--timeout" => options with { Timeout = TimeSpan.FromSeconds(Whole(args[i], value, 1)) },
                _ => throw new FormatException($"{args[i]} is no option.\n{Help}"),
            };
        }

        return options;
    }

    private static int Whole(string name, string value, int least) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least
            ? number
            : throw Wrong(name, value, $"a whole number of at least {least}");

    private static FormatException Wrong(string name, string value, string rule) => new($"{name} is '{value}'; it must be {rule}.");
}
