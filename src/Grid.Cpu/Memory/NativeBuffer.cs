using System.Runtime.InteropServices;

namespace Grid.Cpu.Memory;

/// <summary>Zeroed, 64-byte aligned memory outside the managed heap. Large buffers take memory only where they are written:
/// a KV cache costs what has been used of it.</summary>
/// <typeparam name="T">Element type.</typeparam>
internal sealed unsafe class NativeBuffer<T> : IDisposable
    where T : unmanaged
{
    private const int Alignment = 64;

    private readonly nuint _bytes;
    private void* _block;

    public NativeBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        _bytes = checked(((nuint)length * (nuint)sizeof(T)) + Alignment);
        _block = NativeMemory.AllocZeroed(_bytes);
        Pointer = (T*)(((nuint)_block + Alignment - 1) & ~(nuint)(Alignment - 1));
        HugePages.Ask(_block, _bytes);
        GC.AddMemoryPressure((long)_bytes);
    }

    ~NativeBuffer() => Free();

    public long Length { get; }

    public T* Pointer { get; private set; }

    public Span<T> Slice(long start, int length)
    {
        if (start < 0 || length < 0 || start + length > Length)
        {
            throw new ArgumentOutOfRangeException(nameof(start), start, $"[{start}, {start + length}) is not inside [0, {Length}).");
        }

        return new Span<T>(Pointer + start, length);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_block != null)
        {
            NativeMemory.Free(_block);
            GC.RemoveMemoryPressure((long)_bytes);
            _block = null;
            Pointer = null;
        }
    }
}
