namespace Grid.Grains;

/// <summary>Waiting for a call and giving it up.</summary>
public static class ObservedWait
{
    /// <summary>As <see cref="Task.WaitAsync(CancellationToken)"/>, which forgets the task when it is given up: should it fail later,
    /// nobody would have seen it, and that is logged as a fault. Here it counts as seen.</summary>
    public static Task WaitObservedAsync(this Task task, CancellationToken cancellationToken)
    {
        task.Ignore();
        return task.WaitAsync(cancellationToken);
    }

    /// <inheritdoc cref="WaitObservedAsync(Task, CancellationToken)"/>
    public static Task<T> WaitObservedAsync<T>(this Task<T> task, CancellationToken cancellationToken)
    {
        task.Ignore();
        return task.WaitAsync(cancellationToken);
    }
}
