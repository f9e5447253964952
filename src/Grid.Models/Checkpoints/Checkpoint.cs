using System.Text.Json;
using Grid.Models.Configuration;
using Grid.Models.WeightSources;

namespace Grid.Models.Checkpoints;

/// <summary>The tensors of a model folder: model.safetensors, or the shards that model.safetensors.index.json lists.
/// Where both exist the single file counts, as in transformers.</summary>
internal sealed class Checkpoint : IWeightSource
{
    /// <summary>The name of weights in one file.</summary>
    internal const string SingleFile = "model.safetensors";

    /// <summary>The name of the list of shards.</summary>
    internal const string IndexFile = "model.safetensors.index.json";
    private const long MaxIndexBytes = SafetensorsHeader.MaxHeaderBytes;

    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);

    private Checkpoint(string path) => Path = path;

    /// <summary>The file that names all tensors: the single file or the index.</summary>
    public string Path { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <inheritdoc/>
    public long TotalBytes => _tensors.Values.Sum(tensor => tensor.Bytes);

    /// <summary>Opens a folder's checkpoint; <see cref="ModelFormatException"/> names what is wrong.</summary>
    public static Checkpoint Open(ModelFolder folder)
    {
        byte[]? index = File.Exists(folder.FilePath(SingleFile)) ? null : folder.ReadBounded(IndexFile, MaxIndexBytes);
        var checkpoint = new Checkpoint(folder.FilePath(index is null ? SingleFile : IndexFile));
        try
        {
            if (index is null)
            {
                checkpoint.AddFile(checkpoint.Path);
            }
            else
            {
                checkpoint.AddShards(folder, index);
            }

            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>The shards that a folder's index names, in ordinal order; names that reach out of the folder are refused
    /// with <see cref="ModelFormatException"/>.</summary>
    internal static IReadOnlyList<string> ShardNames(ModelFolder folder)
    {
        string path = folder.FilePath(IndexFile);
        byte[] index = folder.ReadBounded(IndexFile, MaxIndexBytes)
            ?? throw new ModelFormatException(path, "the file", "absent", "weights in shards need it");
        return [.. ReadIndex(path, index).Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>The tensor of a name, whose shape must be the one given.</summary>
    public SafetensorsTensor Find(string name, params ReadOnlySpan<int> shape)
    {
        if (!_tensors.TryGetValue(name, out var tensor))
        {
            throw new ModelFormatException(Path, name, "absent", $"the architecture needs it, of shape {StoredTensor.Format(shape.ToArray())}");
        }

        return shape.SequenceEqual(tensor.Shape.ToArray())
            ? tensor
            : throw new ModelFormatException(Path, $"{name}.shape", StoredTensor.Format(tensor.Shape),
                $"the configuration asks for {StoredTensor.Format(shape.ToArray())}");
    }

    /// <inheritdoc/>
    IWeight IWeightSource.Find(string name, params ReadOnlySpan<int> shape) => Find(name, shape);

    /// <inheritdoc/>
    public IWeight? FindOptional(string name) => _tensors.GetValueOrDefault(name);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files)
        {
            file.Dispose();
        }
    }

    private SafetensorsFile AddFile(string path)
    {
        var file = SafetensorsFile.Open(path);
        _files.Add(file);
        foreach (var stored in file.Tensors)
        {
            if (!_tensors.TryAdd(stored.Name, new SafetensorsTensor(file, stored)))
            {
                throw new ModelFormatException(path, stored.Name, "present in an earlier file too", "a tensor must be in one file only");
            }
        }

        return file;
    }

    private void AddShards(ModelFolder folder, byte[] index)
    {
        var fileOf = ReadIndex(Path, index);
        foreach (string shard in fileOf.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            foreach (var stored in AddFile(folder.FilePath(shard)).Tensors)
            {
                if (!fileOf.Remove(stored.Name, out string? expected) || expected != shard)
                {
                    throw new ModelFormatException(Path, $"weight_map.{stored.Name}", expected ?? "absent", $"the tensor is in {shard}");
                }
            }
        }

        if (fileOf.Count > 0)
        {
            (string name, string shard) = fileOf.OrderBy(e => e.Key, StringComparer.Ordinal).First();
            throw new ModelFormatException(Path, $"weight_map.{name}", shard, "that file does not hold the tensor");
        }
    }

    /// <summary>The file of each tensor.</summary>
    private static Dictionary<string, string> ReadIndex(string path, byte[] index)
    {
        var root = JsonFields.Parse(path, index);
        var map = root.Object("weight_map", root.Require("weight_map", "it must map tensor names to file names"));
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in map.All)
        {
            fileOf.Add(entry.Name, ShardName(map, entry));
        }

        return fileOf;
    }

    /// <summary>A shard is a file of the same folder; an index must not reach elsewhere.</summary>
    private static string ShardName(JsonFields map, JsonProperty entry)
    {
        string? name = map.Text(entry.Name);
        bool plain = name is not null && name.EndsWith(".safetensors", StringComparison.Ordinal)
            && name.AsSpan().IndexOfAny("/\\:\0") < 0;
        return plain ? name! : throw map.Error(entry.Name, entry.Value, "it must be the name of a .safetensors file in the same folder");
    }
}
