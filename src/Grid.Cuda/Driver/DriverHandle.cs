namespace Grid.Cuda.Driver;

/// <summary>Something that the driver made in a context and destroys once, by its owner and never by a finalizer.</summary>
/// <typeparam name="T">The driver's name for it; default: there is none, or no more.</typeparam>
internal abstract class DriverHandle<T>(CudaContext context) : IDisposable
    where T : unmanaged, IEquatable<T>
{
    private T handle;

    /// <exception cref="ObjectDisposedException">It has been destroyed.</exception>
    internal T Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(handle.Equals(default), this);
            return handle;
        }

        private protected set => handle = value;
    }

    /// <summary>Its own.</summary>
    protected CudaContext Context { get; } = context;

    /// <summary>Destroys it, from any thread; nothing the second time.</summary>
    /// <exception cref="CudaException">The driver does not, or an earlier launch failed.</exception>
    public void Dispose()
    {
        if (!handle.Equals(default))
        {
            Context.MakeCurrent();
            Destroy(handle);
            handle = default;
        }
    }

    /// <summary>Calls the driver; the context is current.</summary>
    /// <exception cref="CudaException">The driver says why not.</exception>
    private protected abstract void Destroy(T handle);
}
