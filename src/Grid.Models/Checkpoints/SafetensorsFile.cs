using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;

namespace Grid.Models.Checkpoints;

/// <summary>One safetensors file, its header checked and its data mapped into memory.</summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _mapping;
    private readonly byte* _data;
    private readonly long _mappedBytes;
    private bool _disposed;

    private SafetensorsFile(string path, MemoryMappedFile map, long dataOffset, List<StoredTensor> tensors)
    {
        Path = path;
        Tensors = tensors;
        _map = map;
        _view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _mapping = start + _view.PointerOffset;
        _data = _mapping + dataOffset;
        _mappedBytes = dataOffset + (tensors.Count == 0 ? 0 : tensors[^1].Offset + tensors[^1].Length);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Its tensors, in the order of their data.</summary>
    public IReadOnlyList<StoredTensor> Tensors { get; }

    /// <summary>Opens a file and checks its header; <see cref="ModelFormatException"/> names what is wrong.</summary>
    public static SafetensorsFile Open(string path)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFormatException(path, "the file", "absent", "the model folder must hold it", e);
        }

        MemoryMappedFile? map = null;
        try
        {
            var tensors = ReadHeader(path, stream, out long dataOffset);
            map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            return new SafetensorsFile(path, map, dataOffset, tensors);
        }
        catch
        {
            map?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Bytes of a tensor's data from an offset on.</summary>
    public ReadOnlySpan<byte> Bytes(StoredTensor tensor, long offset, int count)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, tensor.Length);
        return new ReadOnlySpan<byte>(_data + tensor.Offset + offset, count);
    }

    /// <summary>Lets go of the memory that holds a part of a tensor's data. Reading it again is right, only slower.</summary>
    public void Release(StoredTensor tensor, long offset, long count)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        MappedPages.Release(_mapping, _mappedBytes, _data + tensor.Offset + offset, count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _map.Dispose();
        }
    }

    private static List<StoredTensor> ReadHeader(string path, FileStream stream, out long dataOffset)
    {
        long fileBytes = stream.Length;
        Span<byte> beginning = stackalloc byte[GitLfsPointer.Bytes];
        GitLfsPointer.Refuse(path, beginning[..stream.ReadAtLeast(beginning, beginning.Length, throwOnEndOfStream: false)]);
        stream.Position = 0;
        if (fileBytes < SafetensorsHeader.PrefixBytes + 2)
        {
            throw new ModelFormatException(path, "the file's length", $"{fileBytes} bytes", "a safetensors file has at least 10");
        }

        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        stream.ReadExactly(prefix);
        int headerBytes = SafetensorsHeader.CheckLength(path, BinaryPrimitives.ReadUInt64LittleEndian(prefix), fileBytes);
        byte[] json = new byte[headerBytes];
        stream.ReadExactly(json);
        dataOffset = SafetensorsHeader.PrefixBytes + headerBytes;
        return SafetensorsHeader.Parse(path, json, fileBytes - dataOffset);
    }
}
