namespace Grid.Engine.Admission;

/// <summary>New weights for the model, from when they are asked for until they are in place.</summary>
/// <param name="apply">Puts them in place, on the step thread, while the device does nothing else.</param>
internal sealed class WeightExchange(Action apply)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when they are in place, or with why nothing, or not all, was changed.</summary>
    public Task Done => _done.Task;

    /// <summary>Puts them in place. What that throws is thrown on: the weights are of neither kind then.</summary>
    public void Apply()
    {
        try
        {
            apply();
        }
        catch (Exception exception)
        {
            Refuse(exception);
            throw;
        }
    }

    /// <summary>They are in place, and nothing of the old ones is left.</summary>
    public void Complete() => _done.TrySetResult();

    /// <summary>They are not put in place.</summary>
    public void Refuse(Exception reason)
    {
        _done.TrySetException(reason);
        _ = _done.Task.Exception; // Whoever asked may have left.
    }
}
