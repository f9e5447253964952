using System.Runtime.InteropServices;

namespace Grid.Cpu.Memory;

/// <summary>Asks Linux to back large buffers with pages of 2 MiB, so that a pass over weights spends less of its time on
/// address translation. Only a hint: where it cannot be had, nothing changes.</summary>
internal static unsafe partial class HugePages
{
    private const nuint PageBytes = 2 << 20;
    private const int Advice = 14; // MADV_HUGEPAGE

    /// <summary>Asks for the whole pages inside a block that has not been written yet.</summary>
    public static void Ask(void* block, nuint bytes)
    {
        nuint start = ((nuint)block + PageBytes - 1) & ~(PageBytes - 1);
        nuint end = ((nuint)block + bytes) & ~(PageBytes - 1);
        if (OperatingSystem.IsLinux() && end > start)
        {
            _ = Advise((void*)start, end - start, Advice);
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint length, int advice);
}
