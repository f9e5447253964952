using System.Globalization;

namespace Grid.Benchmarks.Overhead;

/// <summary>What the overhead is measured with.</summary>
internal sealed record OverheadOptions
{
    public const string Help = """
        overhead: what the grid costs with a device that computes nothing: engine alone, through Orleans, over HTTP.
          --step-ms <number>        Time of a step; 0 is none (default 14.5: 256 sequences of Qwen3-8B on an H100, as it is meant to be)
          --streams <number>        Sequences at once, 2 to 512 (default 256)
          --prompt-tokens <number>  Random prompt ids of each (default 32)
          --output-tokens <number>  Tokens of each (default 512)
        """;

    public double StepMilliseconds { get; private init; } = 14.5;

    public int Streams { get; private init; } = 256;

    public int PromptTokens { get; private init; } = 32;

    public int OutputTokens { get; init; } = 512;

    /// <summary>As arguments again, for the other processes.</summary>
    public string[] Arguments =>
    [
        "--step-ms", StepMilliseconds.ToString(CultureInfo.InvariantCulture), "--streams", $"{Streams}",
        "--prompt-tokens", $"{PromptTokens}", "--output-tokens", $"{OutputTokens}",
    ];

    /// <summary>Reads the arguments; throws <see cref="FormatException"/> with a sentence.</summary>
    public static OverheadOptions Parse(ReadOnlySpan<string> args)
    {
        var options = new OverheadOptions();
        for (int i = 0; i < args.Length; i += 2)
        {
            string value = i + 1 < args.Length ? args[i + 1] : throw new FormatException($"{args[i]} has no value.");
            options = args[i] switch
            {
                "--step-ms" => options with { StepMilliseconds = Number(args[i], value, 0, 999) },
                "--streams" => options with { Streams = (int)Number(args[i], value, 2, 512) },
                "--prompt-tokens" => options with { PromptTokens = (int)Number(args[i], value, 1, 1000) },
                "--output-tokens" => options with { OutputTokens = (int)Number(args[i], value, 2, 1000) },
                _ => throw new FormatException($"{args[i]} is no option.\n{Help}"),
            };
        }

        return options;
    }

    /// <summary>A stream's prompt: from the first id on another than any other's, so that no prefix cache helps.</summary>
    public int[] Prompt(int run, int stream)
    {
        var random = new Random((run * 1000) + stream);
        return [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(300, 4000))];
    }

    private static double Number(string name, string value, double least, double most) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number >= least && number <= most
            ? number
            : throw new FormatException($"{name} is '{value}'; it must be a number from {least} to {most}.");
}
