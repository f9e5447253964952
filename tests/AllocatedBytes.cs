namespace Grid;

/// <summary>What a piece of code allocates on its own thread, to the byte.</summary>
internal static class AllocatedBytes
{
    /// <summary>Runs something and counts. A garbage collection, which a test on another thread may cause, takes the rest of the thread's
    /// chunk of 8 KiB away and counts it as allocated: what is measured across one is void.</summary>
    /// <param name="run">What to run.</param>
    /// <returns>The bytes, or null where a collection fell in.</returns>
    public static long? TryMeasure(Action run)
    {
        int collections = GC.CollectionCount(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        run();
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        return GC.CollectionCount(0) == collections ? bytes : null;
    }

    /// <summary>Runs something that can be run again and counts, until a run has gone by without a collection.</summary>
    /// <param name="run">What to run.</param>
    /// <returns>The bytes.</returns>
    public static long Measure(Action run)
    {
        while (true)
        {
            if (TryMeasure(run) is { } bytes)
            {
                return bytes;
            }
        }
    }
}
