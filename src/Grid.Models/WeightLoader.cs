using Grid.Models.Checkpoints;
using Grid.Models.Identity;
using Grid.Models.Operations;

namespace Grid.Models;

/// <summary>
/// Brings a checkpoint's tensors onto a device, by name and shape. Each is checked for NaN and infinities and hashed
/// for the model's identity on other threads while it uploads, so the file is read from the disk once.
/// </summary>
internal sealed class WeightLoader : IDisposable
{
    private readonly Checkpoint _checkpoint;
    private readonly IOperations _operations;
    private readonly IProgress<ModelLoadProgress>? _progress;
    private readonly Dictionary<string, Task<byte[]>> _inspections = new(StringComparer.Ordinal);
    private readonly HashSet<string> _copies = new(StringComparer.Ordinal);
    private readonly long _totalBytes;
    private long _loadedBytes;

    public WeightLoader(Checkpoint checkpoint, IOperations operations, IProgress<ModelLoadProgress>? progress)
    {
        _checkpoint = checkpoint;
        _operations = operations;
        _progress = progress;
        _totalBytes = checkpoint.Tensors.Values.Sum(t => t.StoredBytes);
    }

    /// <summary>One matrix [rows, columns].</summary>
    public WeightMatrix Matrix(string name, int rows, int columns)
    {
        SafetensorsTensor tensor = Take(name, rows, columns);
        WeightMatrix matrix = _operations.UploadMatrix(tensor);
        Report(tensor);
        return matrix;
    }

    /// <summary>Matrices of equal columns, stacked by rows.</summary>
    public WeightMatrix StackedMatrix(int columns, params ReadOnlySpan<(string Name, int Rows)> parts)
    {
        var tensors = new SafetensorsTensor[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            tensors[i] = Take(parts[i].Name, parts[i].Rows, columns);
        }

        WeightMatrix matrix = _operations.UploadMatrix(tensors);
        Report(tensors);
        return matrix;
    }

    /// <summary>Gate and up, [rows, columns] each.</summary>
    public WeightMatrix GatedMatrix(string gateName, string upName, int rows, int columns)
    {
        SafetensorsTensor gate = Take(gateName, rows, columns);
        SafetensorsTensor up = Take(upName, rows, columns);
        WeightMatrix matrix = _operations.UploadGatedMatrix(gate, up);
        Report(gate, up);
        return matrix;
    }

    /// <summary>One matrix [rows, columns] for every expert.</summary>
    public ExpertMatrix Experts(ReadOnlySpan<string> names, int rows, int columns)
    {
        SafetensorsTensor[] tensors = TakeAll(names, rows, columns);
        ExpertMatrix matrix = _operations.UploadExperts(tensors);
        Report(tensors);
        return matrix;
    }

    /// <summary>Gate and up of every expert, [rows, columns] each.</summary>
    public ExpertMatrix GatedExperts(ReadOnlySpan<string> gateNames, ReadOnlySpan<string> upNames, int rows, int columns)
    {
        SafetensorsTensor[] gates = TakeAll(gateNames, rows, columns);
        SafetensorsTensor[] ups = TakeAll(upNames, rows, columns);
        ExpertMatrix matrix = _operations.UploadGatedExperts(gates, ups);
        Report([.. gates, .. ups]);
        return matrix;
    }

    /// <summary>A vector [length].</summary>
    public WeightVector Vector(string name, int length)
    {
        SafetensorsTensor tensor = Take(name, length);
        WeightVector vector = _operations.UploadVector(tensor);
        Report(tensor);
        return vector;
    }

    /// <summary>Vectors, one after the other.</summary>
    public WeightVector StackedVector(params ReadOnlySpan<(string Name, int Length)> parts)
    {
        var tensors = new SafetensorsTensor[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            tensors[i] = Take(parts[i].Name, parts[i].Length);
        }

        WeightVector vector = _operations.UploadVector(tensors);
        Report(tensors);
        return vector;
    }

    /// <summary>
    /// Accepts a tensor that the architecture does not use because it shares another's values: it must be absent, or
    /// equal to it.
    /// </summary>
    public void AcceptCopy(string name, string original)
    {
        if (!_checkpoint.Tensors.TryGetValue(name, out SafetensorsTensor? copy))
        {
            return;
        }

        bool equal = copy.Shape.SequenceEqual(_checkpoint.Tensors[original].Shape)
            && copy.Inspect().AsSpan().SequenceEqual(_inspections[original].GetAwaiter().GetResult());
        if (!equal)
        {
            throw new ModelFormatException(_checkpoint.Path, name, "another tensor than " + original,
                "the configuration ties the two (tie_word_embeddings), so they must be equal or it must be absent");
        }

        _copies.Add(name);
        Report(copy);
    }

    /// <summary>Refuses a checkpoint that has this tensor.</summary>
    public void Refuse(string name, string rule)
    {
        if (_checkpoint.Tensors.ContainsKey(name))
        {
            throw new ModelFormatException(_checkpoint.Path, name, "present", rule);
        }
    }

    /// <summary>Waits for the checks of all tensors taken, refuses tensors nobody took, and returns the weights'
    /// digest.</summary>
    public string Finish(ModelConfig config)
    {
        string? unused = _checkpoint.Tensors.Keys
            .Where(name => !_inspections.ContainsKey(name) && !_copies.Contains(name))
            .Order(StringComparer.Ordinal).FirstOrDefault();
        if (unused is not null)
        {
            throw new ModelFormatException(_checkpoint.Path, unused, "present",
                $"{config.Architecture} with this configuration has no such tensor, and leaving it out would change results");
        }

        var weights = new List<ModelDigest.Weight>();
        foreach ((string name, Task<byte[]> inspection) in _inspections)
        {
            weights.Add(new ModelDigest.Weight(name, _checkpoint.Tensors[name].Shape, inspection.GetAwaiter().GetResult()));
        }

        return ModelDigest.Compute(config, weights);
    }

    /// <summary>Waits until nothing reads the mapped files any more; after that they may be unmapped.</summary>
    public void Dispose() =>
        Task.WhenAll(_inspections.Values).ContinueWith(static _ => { }, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).GetAwaiter().GetResult();

    private SafetensorsTensor Take(string name, params ReadOnlySpan<int> shape)
    {
        SafetensorsTensor tensor = _checkpoint.Find(name, shape);
        _inspections.Add(name, Task.Run(tensor.Inspect));
        return tensor;
    }

    private SafetensorsTensor[] TakeAll(ReadOnlySpan<string> names, int rows, int columns)
    {
        var tensors = new SafetensorsTensor[names.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            tensors[i] = Take(names[i], rows, columns);
        }

        return tensors;
    }

    private void Report(params ReadOnlySpan<SafetensorsTensor> tensors)
    {
        foreach (SafetensorsTensor tensor in tensors)
        {
            _loadedBytes += tensor.StoredBytes;
        }

        _progress?.Report(new ModelLoadProgress(_inspections.Count + _copies.Count, _checkpoint.Tensors.Count, _loadedBytes, _totalBytes));
    }
}
