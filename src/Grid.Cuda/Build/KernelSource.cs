using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;

namespace Grid.Cuda.Build;

/// <summary>One compilation: a .cu text, every shared text that it includes, and its definitions.</summary>
internal sealed partial record KernelSource
{
    private KernelSource(string name, string text, IReadOnlyList<KernelHeader> headers, IReadOnlyList<string> definitions)
    {
        Name = name;
        Text = text;
        Headers = headers;
        Definitions = definitions;
    }

    /// <summary>Unique in a build; begins the cache file's name, so letters, digits, '-' and '_' only.</summary>
    public string Name { get; }

    /// <summary>The .cu text.</summary>
    public string Text { get; }

    /// <summary>Included texts, each once, ordered by name.</summary>
    public IReadOnlyList<KernelHeader> Headers { get; }

    /// <summary>Such as TOKENS=64; one text may be built several times.</summary>
    public IReadOnlyList<string> Definitions { get; }

    /// <summary>A kernel of this assembly, which compiles only if its parameters lie as the launcher's do (<see cref="KernelLayout"/>).</summary>
    /// <param name="path">Of its .cu below Kernels.</param>
    /// <param name="name">Null: the file's.</param>
    /// <param name="definitions">Such as TOKENS=64.</param>
    public static KernelSource FromResource(string path, string? name = null, params IReadOnlyList<string> definitions)
    {
        name ??= Path.GetFileNameWithoutExtension(path);
        return FromText(name, Texts.GetOrAdd(path, WithLayouts), definitions);
    }

    private static string WithLayouts(string path)
    {
        string text = ReadResource(path);
        return $"{text}\n{KernelLayout.OfParameters(Path.GetFileNameWithoutExtension(path), text)}";
    }

    /// <summary>Any text that includes nothing but this assembly's shared texts.</summary>
    public static KernelSource FromText(string name, string text, params IReadOnlyList<string> definitions)
    {
        if (!NamePattern().IsMatch(name))
        {
            throw new ArgumentException($"Kernel name '{name}' must consist of letters, digits, '-' and '_'.", nameof(name));
        }

        var headers = new SortedDictionary<string, KernelHeader>(StringComparer.Ordinal);
        AddIncludes(name, text, headers);
        return new KernelSource(name, text, [.. headers.Values], [.. definitions]);
    }

    /// <summary>The same text, which compiles only if a structure in device memory lies as the launcher's does.</summary>
    /// <param name="structure">Its name in the text.</param>
    /// <typeparam name="T">The launcher's.</typeparam>
    public KernelSource WithLayout<T>(string structure)
        where T : unmanaged => new(Name, Text + KernelLayout.Assertions(structure, typeof(T)), Headers, Definitions);

    private static void AddIncludes(string name, string text, SortedDictionary<string, KernelHeader> headers)
    {
        foreach (Match match in IncludePattern().Matches(text))
        {
            string include = match.Groups[1].Value;
            if (headers.ContainsKey(include))
            {
                continue;
            }

            string path = $"Common/{include}";
            if (!Resources.Contains(path))
            {
                throw new KernelBuildException(
                    name, $"includes \"{include}\", which is none of the shared texts ({string.Join(", ", SharedTexts)})");
            }

            var header = new KernelHeader(include, ReadResource(path));
            headers.Add(include, header);
            AddIncludes(name, header.Text, headers);
        }
    }

    // Some texts are built many times, and asking for the places of fields takes longer than anything else here.
    private static readonly ConcurrentDictionary<string, string> Texts = new(StringComparer.Ordinal);

    private static readonly HashSet<string> Resources =
        [.. typeof(KernelSource).Assembly.GetManifestResourceNames().Select(resource => resource.Replace('\\', '/'))];

    private static IEnumerable<string> SharedTexts =>
        Resources.Where(path => path.StartsWith("Common/", StringComparison.Ordinal)).Select(path => path["Common/".Length..])
            .Order(StringComparer.Ordinal);

    private static string ReadResource(string path)
    {
        using var stream = typeof(KernelSource).Assembly.GetManifestResourceStream(path)
            ?? throw new ArgumentException($"There is no kernel text '{path}' in this assembly.", nameof(path));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("^[A-Za-z0-9_-]+$")]
    private static partial Regex NamePattern();

    [GeneratedRegex("""^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]""", RegexOptions.Multiline)]
    private static partial Regex IncludePattern();
}

/// <summary>A shared text under the name by which it is included.</summary>
internal sealed record KernelHeader(string Name, string Text);
