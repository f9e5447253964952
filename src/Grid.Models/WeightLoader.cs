using System.Runtime.ExceptionServices;
using Grid.Models.Identity;
using Grid.Models.Operations;
using Grid.Models.WeightSources;

namespace Grid.Models;

/// <summary>
/// Brings a model's tensors onto a device, by name and shape. Each is checked for NaN and infinities and hashed for the
/// model's identity on other threads while it uploads, so a file is read from the disk once.
/// </summary>
internal sealed class WeightLoader : IDisposable
{
    private readonly IWeightSource _source;
    private readonly IOperations _operations;
    private readonly IProgress<ModelLoadProgress>? _progress;
    private readonly Dictionary<string, Loading> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _accepted = new(StringComparer.Ordinal);
    private readonly List<IDisposable> _uploaded = [];
    private readonly List<LoadedWeights> _loaded = [];
    private readonly CancellationTokenSource _failed = new();

    // No more tensors are inspected at once than there are cores, or the disk would be read everywhere at the same time.
    private readonly TaskScheduler _inspectors =
        new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, Environment.ProcessorCount).ConcurrentScheduler;

    private volatile ModelFormatException? _fault;
    private long _loadedBytes;

    public WeightLoader(IWeightSource source, IOperations operations, IProgress<ModelLoadProgress>? progress)
    {
        _source = source;
        _operations = operations;
        _progress = progress;
    }

    /// <summary>What was uploaded, in order, with the tensors that it came from.</summary>
    public IReadOnlyList<LoadedWeights> Loaded => _loaded;

    /// <summary>One matrix [rows, columns].</summary>
    public WeightMatrix Matrix(string name, int rows, int columns)
    {
        var tensor = Take(name, rows, columns);
        return Uploaded(_operations.UploadMatrix(tensor.Weight.Tensor), tensor);
    }

    /// <summary>Matrices of equal columns, stacked by rows.</summary>
    public WeightMatrix StackedMatrix(int columns, params ReadOnlySpan<(string Name, int Rows)> parts)
    {
        var tensors = new Loading[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            tensors[i] = Take(parts[i].Name, parts[i].Rows, columns);
        }

        return Uploaded(_operations.UploadMatrix(Sources(tensors)), tensors);
    }

    /// <summary>Gate and up, [rows, columns] each.</summary>
    public WeightMatrix GatedMatrix(string gateName, string upName, int rows, int columns)
    {
        var gate = Take(gateName, rows, columns);
        var up = Take(upName, rows, columns);
        return Uploaded(_operations.UploadGatedMatrix(gate.Weight.Tensor, up.Weight.Tensor), gate, up);
    }

    /// <summary>One matrix [rows, columns] for every expert.</summary>
    public ExpertMatrix Experts(ReadOnlySpan<string> names, int rows, int columns)
    {
        var tensors = TakeAll(names, rows, columns);
        return Uploaded(_operations.UploadExperts(Sources(tensors)), tensors);
    }

    /// <summary>Gate and up of every expert, [rows, columns] each.</summary>
    public ExpertMatrix GatedExperts(ReadOnlySpan<string> gateNames, ReadOnlySpan<string> upNames, int rows, int columns)
    {
        var gates = TakeAll(gateNames, rows, columns);
        var ups = TakeAll(upNames, rows, columns);
        return Uploaded(_operations.UploadGatedExperts(Sources(gates), Sources(ups)), [.. gates, .. ups]);
    }

    /// <summary>A vector [length].</summary>
    public WeightVector Vector(string name, int length)
    {
        var tensor = Take(name, length);
        return Uploaded(_operations.UploadVector(tensor.Weight.Tensor), tensor);
    }

    /// <summary>Vectors, one after the other.</summary>
    public WeightVector StackedVector(params ReadOnlySpan<(string Name, int Length)> parts)
    {
        var tensors = new Loading[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            tensors[i] = Take(parts[i].Name, parts[i].Length);
        }

        return Uploaded(_operations.UploadVector(Sources(tensors)), tensors);
    }

    /// <summary>
    /// Accepts a tensor that the architecture does not use because it shares another's values: it must be absent, or
    /// equal to it.
    /// </summary>
    public void AcceptCopy(string name, string original)
    {
        if (_source.FindOptional(name) is not { } copy)
        {
            return;
        }

        var first = _tensors[original];
        bool equal = copy.Tensor.Shape.SequenceEqual(first.Weight.Tensor.Shape)
            && copy.Identify(_failed.Token) == first.Identity.GetAwaiter().GetResult();
        if (!equal)
        {
            throw new ModelFormatException(_source.Path, name, "another tensor than " + original,
                "the configuration ties the two (tie_word_embeddings), so they must be equal or it must be absent");
        }

        copy.Release();
        _accepted.Add(name);
        Report(copy.Bytes);
    }

    /// <summary>Accepts a tensor that follows from the configuration, which alone counts: it may be absent.</summary>
    public void AcceptComputed(string name)
    {
        if (_source.FindOptional(name) is { } stored)
        {
            _accepted.Add(name);
            Report(stored.Bytes);
        }
    }

    /// <summary>Refuses a checkpoint that has this tensor.</summary>
    public void Refuse(string name, string rule)
    {
        if (_source.FindOptional(name) is not null)
        {
            throw new ModelFormatException(_source.Path, name, "present", rule);
        }
    }

    /// <summary>What was uploaded has a new owner, who will free it.</summary>
    public void HandOver() => _uploaded.Clear();

    /// <summary>Waits for the checks of all tensors taken, refuses tensors nobody took (one that holds no values changes
    /// nothing), and returns the weights' digest.</summary>
    public string Finish(ModelConfig config)
    {
        string? unused = _source.Names?
            .Where(name => !_tensors.ContainsKey(name) && !_accepted.Contains(name) && _source.FindOptional(name)!.Bytes > 0)
            .Order(StringComparer.Ordinal).FirstOrDefault();
        if (unused is not null)
        {
            throw new ModelFormatException(_source.Path, unused, "present",
                $"{config.Architecture} with this configuration has no such tensor, and leaving it out would change results");
        }

        var weights = new List<ModelDigest.Weight>();
        foreach ((string name, var tensor) in _tensors)
        {
            weights.Add(new ModelDigest.Weight(name, tensor.Weight.Tensor.Shape, tensor.Identity.GetAwaiter().GetResult()));
        }

        return ModelDigest.Compute(config, weights);
    }

    /// <summary>Reads all tensors once more, and refuses one whose values are no longer those that the digest is of.</summary>
    public void RequireUnchanged(CancellationToken cancellationToken) =>
        Parallel.ForEach(_tensors, new ParallelOptions { CancellationToken = cancellationToken, TaskScheduler = _inspectors }, entry =>
        {
            var (weight, identity) = entry.Value;
            if (weight.Identify(cancellationToken) != identity.GetAwaiter().GetResult())
            {
                throw new ModelFormatException(_source.Path, entry.Key, "another tensor than before", "files must not change while they are read");
            }
        });

    /// <summary>Frees what was uploaded unless it was handed over, and waits until nothing reads the source any more;
    /// after that it may be disposed.</summary>
    public void Dispose()
    {
        _failed.Cancel();
        Task.WhenAll(_tensors.Values.Select(tensor => tensor.Identity))
            .ContinueWith(static all => all.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default)
            .GetAwaiter().GetResult();
        foreach (var weights in _uploaded)
        {
            weights.Dispose();
        }

        _uploaded.Clear();
        _failed.Dispose();
    }

    private Loading Take(string name, params ReadOnlySpan<int> shape)
    {
        // A tensor found faulty ends the load at once, not after the gigabytes that follow it.
        if (_fault is { } fault)
        {
            ExceptionDispatchInfo.Throw(fault);
        }

        var weight = _source.Find(name, shape);
        var loading = new Loading(weight, Task.Factory.StartNew(
            () => Identify(weight), _failed.Token, TaskCreationOptions.None, _inspectors));
        _tensors.Add(name, loading);
        return loading;
    }

    private Loading[] TakeAll(ReadOnlySpan<string> names, int rows, int columns)
    {
        var tensors = new Loading[names.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            tensors[i] = Take(names[i], rows, columns);
        }

        return tensors;
    }

    private static TensorSource[] Sources(Loading[] tensors) => Array.ConvertAll(tensors, tensor => tensor.Weight.Tensor);

    private string Identify(IWeight weight)
    {
        try
        {
            return weight.Identify(_failed.Token);
        }
        catch (ModelFormatException exception)
        {
            _fault = exception;
            throw;
        }
    }

    private T Uploaded<T>(T weights, params ReadOnlySpan<Loading> tensors)
        where T : class
    {
        if (weights is IDisposable disposable)
        {
            _uploaded.Add(disposable);
        }

        var sources = new IWeight[tensors.Length];
        _loaded.Add(new LoadedWeights(weights, sources));
        long bytes = 0;
        for (int i = 0; i < tensors.Length; i++)
        {
            sources[i] = tensors[i].Weight;
            sources[i].Release();
            bytes += sources[i].Bytes;
        }

        Report(bytes);
        return weights;
    }

    private void Report(long bytes)
    {
        _loadedBytes += bytes;
        _progress?.Report(new ModelLoadProgress(_tensors.Count + _accepted.Count, _source.Names?.Count ?? 0, _loadedBytes, _source.TotalBytes));
    }

    /// <summary>A tensor under way.</summary>
    /// <param name="Weight">The tensor.</param>
    /// <param name="Identity">Its inspection, which may outlast the upload.</param>
    private sealed record Loading(IWeight Weight, Task<string> Identity);
}

/// <summary>Weights on a device, and the tensors that they came from.</summary>
/// <param name="Handle">A <see cref="WeightMatrix"/>, <see cref="ExpertMatrix"/> or <see cref="WeightVector"/>.</param>
/// <param name="Sources">As <see cref="IOperations.Replace(WeightMatrix, ReadOnlySpan{TensorSource})"/> takes them.</param>
internal sealed record LoadedWeights(object Handle, IReadOnlyList<IWeight> Sources);
