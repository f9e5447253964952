using System.Runtime.InteropServices;

namespace Grid.Cuda.Build;

/// <summary>Texts as zero-terminated UTF-8 in native memory, and an array of their addresses.</summary>
internal sealed unsafe class NativeTexts : IDisposable
{
    private readonly int count;

    public NativeTexts(IReadOnlyList<string> texts)
    {
        Pointers = (byte**)NativeMemory.AllocZeroed((nuint)Math.Max(texts.Count, 1), (nuint)sizeof(byte*));
        for (; count < texts.Count; count++)
        {
            Pointers[count] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[count]);
        }
    }

    /// <summary>Addresses, in the order given.</summary>
    public byte** Pointers { get; private set; }

    public void Dispose()
    {
        if (Pointers != null)
        {
            for (int i = 0; i < count; i++)
            {
                Marshal.FreeCoTaskMem((nint)Pointers[i]);
            }

            NativeMemory.Free(Pointers);
            Pointers = null;
        }
    }
}
