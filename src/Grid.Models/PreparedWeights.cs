using System.Runtime.ExceptionServices;
using Grid.Models.Identity;
using Grid.Models.Operations;
using Grid.Models.WeightSources;

namespace Grid.Models;

/// <summary>Other weights for a model that is loaded: read and checked as at a load, but not on the device yet.</summary>
public sealed class PreparedWeights : IDisposable
{
    private readonly IWeightSource _source;
    private readonly WeightLoader _weights;
    private readonly IReadOnlyList<object> _handles;
    private readonly IOperations _operations;

    internal PreparedWeights(
        IWeightSource source, WeightLoader weights, IReadOnlyList<object> handles, IOperations operations, NumericsId numericsId)
    {
        (_source, _weights, _handles, _operations, NumericsId) = (source, weights, handles, operations, numericsId);
    }

    /// <summary>The name of the model's bits with these weights.</summary>
    public NumericsId NumericsId { get; }

    /// <summary>
    /// Puts them where the old ones are, on the thread that the device's operations are called on and while no step is under way. Every
    /// tensor is read a second time, and hashed again beside that: when it throws, because a file has changed or cannot be read any more,
    /// the weights on the device are of neither kind.
    /// </summary>
    public void Apply()
    {
        using var stop = new CancellationTokenSource();
        AggregateException? failure;
        var check = Task.Run(() => _weights.RequireUnchanged(stop.Token), stop.Token);
        try
        {
            for (int i = 0; i < _handles.Count; i++)
            {
                Replace(_handles[i], _weights.Loaded[i].Sources);
            }
        }
        catch
        {
            stop.Cancel();
            throw;
        }
        finally
        {
            ((IAsyncResult)check).AsyncWaitHandle.WaitOne(); // Nothing reads the files after this.
            failure = check.Exception;
        }

        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure.Flatten().InnerExceptions[0]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _weights.Dispose();
        _source.Dispose();
    }

    private void Replace(object handle, IReadOnlyList<IWeight> weights)
    {
        TensorSource[] sources = [.. weights.Select(weight => weight.Tensor)];
        switch (handle)
        {
            case WeightMatrix matrix:
                _operations.Replace(matrix, sources);
                break;
            case ExpertMatrix experts:
                _operations.Replace(experts, sources);
                break;
            default:
                _operations.Replace((WeightVector)handle, sources);
                break;
        }

        foreach (var weight in weights)
        {
            weight.Release();
        }
    }
}
