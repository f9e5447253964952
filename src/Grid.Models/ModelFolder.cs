using Grid.Models.Checkpoints;
using Grid.Models.Configuration;
using Grid.Numerics;

namespace Grid.Models;

/// <summary>An ordinary Hugging Face model folder on disk.</summary>
public sealed class ModelFolder
{
    // A config of more than this is not a config.
    private const long MaxConfigBytes = 16 << 20;
    private const long MaxTextFileBytes = 256 << 20;

    /// <summary>The file that makes text of ids and back.</summary>
    public const string TokenizerFile = "tokenizer.json";

    private static readonly string[] s_textFiles = [TokenizerFile, "tokenizer_config.json", "chat_template.jinja"];

    private ModelFolder(string path) => Path = path;

    /// <summary>The folder's path.</summary>
    public string Path { get; }

    /// <summary>Names a folder; refuses with <see cref="ModelFormatException"/> one that does not
    /// exist.</summary>
    public static ModelFolder Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string full = System.IO.Path.GetFullPath(path);
        if (!Directory.Exists(full))
        {
            throw new ModelFormatException(path, "model folder", "absent", "it must be an existing folder in Hugging Face form");
        }

        return new ModelFolder(full);
    }

    /// <summary>Reads and checks config.json and generation_config.json.</summary>
    public ModelConfig ReadConfig() => ReadConfig(out _);

    /// <summary>Reads and checks config.json and generation_config.json, and tells which of them names which end
    /// tokens.</summary>
    public ModelConfig ReadConfig(out IReadOnlyList<EndTokens> endTokens)
    {
        byte[] config = ReadBounded(ModelConfigReader.ConfigFile, MaxConfigBytes)
            ?? throw new ModelFormatException(FilePath(ModelConfigReader.ConfigFile), "the file", "absent",
                "a model folder must hold config.json");
        byte[]? generation = ReadBounded(ModelConfigReader.GenerationConfigFile, MaxConfigBytes);
        return ModelConfigReader.Read(config, generation, out endTokens);
    }

    /// <summary>How the model's makers want it sampled: what generation_config.json says, checked, and otherwise the values of the OpenAI
    /// API.</summary>
    public SamplingParameters ReadRecommendedSampling() =>
        ReadBounded(ModelConfigReader.GenerationConfigFile, MaxConfigBytes) is { } generation
            ? RecommendedSamplingReader.Read(generation)
            : new SamplingParameters();

    /// <summary>The files that turn text into ids and back, by name, as far as the folder has them: tokenizer.json,
    /// tokenizer_config.json, chat_template.jinja.</summary>
    public IReadOnlyDictionary<string, byte[]> ReadTextFiles()
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (string name in s_textFiles)
        {
            if (ReadBounded(name, MaxTextFileBytes) is { } bytes)
            {
                files.Add(name, bytes);
            }
        }

        return files;
    }

    /// <summary>The path of a file in the folder.</summary>
    internal string FilePath(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>A whole small file; null when absent.</summary>
    internal byte[]? ReadBounded(string name, long maximum)
    {
        var file = new FileInfo(FilePath(name));
        if (!file.Exists)
        {
            return null;
        }

        // A link's own length is not its target's; hub caches are made of links.
        using var stream = OpenTarget(file);
        if (stream.Length > maximum)
        {
            throw new ModelFormatException(file.FullName, "the file's length", $"{stream.Length} bytes", $"it must not exceed {maximum} bytes");
        }

        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        GitLfsPointer.Refuse(file.FullName, bytes);
        return bytes;
    }

    // A link to nothing counts as existing until it is opened.
    private static FileStream OpenTarget(FileInfo file)
    {
        try
        {
            return file.OpenRead();
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFormatException(file.FullName, "the file", "a link to nothing", "it must lead to an existing file", exception);
        }
    }
}
