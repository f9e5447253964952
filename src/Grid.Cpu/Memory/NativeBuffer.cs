using System.Runtime.InteropServices;

namespace Grid.Cpu.Memory;

/// <summary>Zeroed, 64-byte aligned memory outside the managed heap.</summary>
/// <typeparam name="T">Element type.</typeparam>
internal sealed unsafe class NativeBuffer<T> : IDisposable
    where T : unmanaged
{
    private T* _pointer;

    public NativeBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Length = length;
        nuint bytes = checked((nuint)Math.Max(length, 1) * (nuint)sizeof(T));
        _pointer = (T*)NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(_pointer, bytes);
        GC.AddMemoryPressure((long)bytes);
    }

    ~NativeBuffer() => Free();

    public long Length { get; }

    public T* Pointer => _pointer;

    public Span<T> Slice(long start, int length)
    {
        if (start < 0 || length < 0 || start + length > Length)
        {
            throw new ArgumentOutOfRangeException(nameof(start), start, $"[{start}, {start + length}) is not inside [0, {Length}).");
        }

        return new Span<T>(_pointer + start, length);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer != null)
        {
            NativeMemory.AlignedFree(_pointer);
            GC.RemoveMemoryPressure((long)((nuint)Math.Max(Length, 1) * (nuint)sizeof(T)));
            _pointer = null;
        }
    }
}
