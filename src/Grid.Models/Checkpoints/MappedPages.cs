using System.Runtime.InteropServices;

namespace Grid.Models.Checkpoints;

/// <summary>
/// Pages of a mapped file count as the process's memory until they are unmapped or let go; a load that kept them would
/// hold the model twice. What is let go stays in the system's file cache.
/// </summary>
internal static unsafe partial class MappedPages
{
    private const int DontNeed = 4; // MADV_DONTNEED, the same on Linux and macOS

    // A fault maps the pages around it too, in windows of this size: they go together.
    private const nuint Window = 64 << 10;

    /// <summary>Lets go of the windows of a read-only mapping that a range touches; they may be read again. Elsewhere than
    /// on Linux and macOS the system reclaims them by itself.</summary>
    /// <param name="mapping">Where the mapping begins: a page's start.</param>
    /// <param name="mappedBytes">Its length.</param>
    /// <param name="start">Where the range begins.</param>
    /// <param name="count">The range's length.</param>
    public static void Release(byte* mapping, long mappedBytes, byte* start, long count)
    {
        nuint first = Math.Max((nuint)start & ~(Window - 1), (nuint)mapping);
        nuint end = Math.Min(((nuint)start + (nuint)count + Window - 1) & ~(Window - 1), (nuint)mapping + (nuint)mappedBytes);
        if (first < end && (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()))
        {
            // Advice: where it is not taken, nothing is wrong but the memory used.
            _ = Advise((void*)first, end - first, DontNeed);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
