using System.Runtime.ExceptionServices;

namespace Grid.Cuda.Driver;

/// <summary>Gives things back although some of it may fail: after a fault of the GPU nearly every call does, and what does not
/// depend on the GPU must be freed all the same.</summary>
internal static class Release
{
    /// <summary>Does all of it, then throws the first failure.</summary>
    public static void All(IEnumerable<Action> parts)
    {
        ExceptionDispatchInfo? first = null;
        foreach (var part in parts)
        {
            try
            {
                part();
            }
            catch (CudaException e)
            {
                first ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        first?.Throw();
    }
}
