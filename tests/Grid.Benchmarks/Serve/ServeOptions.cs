using System.Globalization;

namespace Grid.Benchmarks.Serve;

/// <summary>What the load generator sends, and to whom.</summary>
internal sealed record ServeOptions
{
    private static readonly (string Name, string Value, string Help)[] s_all =
    [
        ("--url", "address", "The server (default http://127.0.0.1:8000)"),
        ("--model", "name", "The model, where the server has several"),
        ("--concurrency", "list", "Requests under way at once, one run each (default 1,32,256)"),
        ("--prompt-tokens", "number", "Random prompt ids of each request (default 512)"),
        ("--output-tokens", "number", "Tokens that each request generates (default 128)"),
        ("--requests", "number", "Requests of a run for each that is under way at once (default 1)"),
        ("--warmup-tokens", "number", "Tokens of the requests that precede each run, as many at once; 0 is no warm-up (default 8)"),
        ("--temperature", "number", "0 is greedy (default 0)"),
        ("--vocabulary", "number", "Prompt ids are below this (default 1000)"),
        ("--seed", "number", "Other prompts, where a run before this one left the same in the prefix cache (default 0)"),
        ("--target", "list", "Tokens a second to compare decoding with, by concurrency: 1=182,32=4444"),
        ("--timeout", "seconds", "For one request (default 300)"),
        ("--title", "text", "Printed above the table"),
    ];

    public Uri Url { get; private set; } = new("http://127.0.0.1:8000");

    public string? Model { get; private set; }

    public int[] Concurrency { get; private set; } = [1, 32, 256];

    public int PromptTokens { get; private set; } = 512;

    public int OutputTokens { get; private set; } = 128;

    public int Requests { get; private set; } = 1;

    public int WarmupTokens { get; private set; } = 8;

    public double Temperature { get; private set; }

    public int Vocabulary { get; private set; } = 1000;

    public int Seed { get; private set; }

    public IReadOnlyDictionary<int, double> Targets { get; private set; } = new Dictionary<int, double>();

    public TimeSpan Timeout { get; private set; } = TimeSpan.FromSeconds(300);

    public string Title { get; private set; } = "";

    public static string Help => "serve: drives /generate, streaming, with random prompt ids.\n"
        + string.Join('\n', s_all.Select(option => $"  {option.Name + " <" + option.Value + ">",-28}{option.Help}"));

    /// <summary>Reads the arguments; throws <see cref="FormatException"/> with a sentence.</summary>
    public static ServeOptions Parse(ReadOnlySpan<string> args)
    {
        var options = new ServeOptions();
        for (int i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length)
            {
                throw new FormatException($"{args[i]} has no value.");
            }

            options.Set(args[i], args[i + 1]);
        }

        return options;
    }

    private void Set(string name, string value)
    {
        switch (name)
        {
            case "--url":
                Url = Uri.TryCreate(value, UriKind.Absolute, out var url) ? url : throw Wrong(name, value, "an address such as http://127.0.0.1:8000");
                break;
            case "--model":
                Model = value;
                break;
            case "--concurrency":
                Concurrency = [.. value.Split(',').Select(one => Whole(name, one, 1))];
                break;
            case "--prompt-tokens":
                PromptTokens = Whole(name, value, 1);
                break;
            case "--output-tokens":
                OutputTokens = Whole(name, value, 2);
                break;
            case "--requests":
                Requests = Whole(name, value, 1);
                break;
            case "--warmup-tokens":
                WarmupTokens = Whole(name, value, 0);
                break;
            case "--temperature":
                Temperature = Number(name, value);
                break;
            case "--vocabulary":
                Vocabulary = Whole(name, value, 2);
                break;
            case "--seed":
                Seed = Whole(name, value, 0);
                break;
            case "--target":
                Targets = value.Split(',').Select(one => one.Split('=')).ToDictionary(
                    pair => Whole(name, pair[0], 1), pair => pair.Length == 2 ? Number(name, pair[1]) : throw Wrong(name, value, "a list such as 1=182,32=4444"));
                break;
            case "--timeout":
                Timeout = TimeSpan.FromSeconds(Whole(name, value, 1));
                break;
            case "--title":
                Title = value;
                break;
            default:
                throw new FormatException($"{name} is no option.\n{Help}");
        }
    }

    private static int Whole(string name, string value, int least) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least
            ? number
            : throw Wrong(name, value, $"a whole number of at least {least}");

    private static double Number(string name, string value) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw Wrong(name, value, "a number");

    private static FormatException Wrong(string name, string value, string rule) => new($"{name} is '{value}'; it must be {rule}.");
}
