using System.Runtime.ExceptionServices;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Models.Operations;

namespace Grid.Cuda.Operations;

/// <summary>
/// Brings weights to the device, packed. Rows of a checkpoint are read by all cores into one of two pinned pieces while the
/// other is copied and packed; generated tensors are made on the device.
/// </summary>
internal sealed class WeightUploader(CudaContext context, CudaStream stream, DeviceHeap heap, KernelLibrary kernels) : IDisposable
{
    private const int Pieces = 2;
    private const long PieceBytes = 32 << 20;
    private const int WidthMultiple = 8;

    private readonly PinnedMemory?[] pinned = new PinnedMemory?[Pieces];
    private readonly DeviceMemory?[] staging = new DeviceMemory?[Pieces];
    private readonly CudaEvent[] copied = [.. Enumerable.Range(0, Pieces).Select(_ => new CudaEvent(context))];
    private int turn;

    /// <summary>Matrices stacked by rows.</summary>
    public CudaMatrix Stacked(ReadOnlySpan<TensorSource> parts)
    {
        int rows = 0;
        foreach (var part in parts)
        {
            rows = checked(rows + part.Rows);
        }

        string name = Names(parts);
        var packed = Packed(name, 1, new PackedLayout(rows, parts[0].Columns));
        return Filled(packed, new CudaMatrix(name, rows, parts[0].Columns, gated: false, heap, packed), parts, Fill);
    }

    /// <summary>Gate and up in turn.</summary>
    public CudaMatrix Gated(TensorSource gate, TensorSource up)
    {
        string name = $"{gate.Name} * {up.Name}";
        var packed = Packed(name, 1, PackedLayout.Gated(gate.Rows, gate.Columns));
        return Filled(packed, new CudaMatrix(name, gate.Rows, gate.Columns, gated: true, heap, packed), [gate, up], Fill);
    }

    /// <summary>A matrix for every expert.</summary>
    public CudaExpertMatrix Experts(ReadOnlySpan<TensorSource> experts)
    {
        var first = experts[0];
        var packed = Packed(first.Name, experts.Length, new PackedLayout(first.Rows, first.Columns));
        return Filled(packed, new CudaExpertMatrix(first.Name, experts.Length, first.Rows, first.Columns, gated: false, heap, packed), experts, Fill);
    }

    /// <summary>Gate and up in turn for every expert.</summary>
    public CudaExpertMatrix GatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        var first = gates[0];
        var packed = Packed(first.Name, gates.Length, PackedLayout.Gated(first.Rows, first.Columns));
        return Filled(packed, new CudaExpertMatrix(first.Name, gates.Length, first.Rows, first.Columns, gated: true, heap, packed), [.. gates, .. ups], Fill);
    }

    /// <summary>Vectors, one after another.</summary>
    public CudaVector Vector(ReadOnlySpan<TensorSource> parts)
    {
        int length = 0;
        foreach (var part in parts)
        {
            length = checked(length + part.Columns);
        }

        string name = Names(parts);
        var vector = new CudaVector(name, length, heap.Allocate((long)length * sizeof(ushort), name));
        Fill(vector, parts);
        return vector;
    }

    /// <summary>Packs values into a matrix: parts by rows, or gate and up.</summary>
    public void Fill(CudaMatrix matrix, TensorSource[] sources)
    {
        if (matrix.Gated)
        {
            PackGated(sources[0], sources[1], matrix.Packed, PackedLayout.Gated(matrix.Rows, matrix.Columns));
            return;
        }

        var layout = new PackedLayout(matrix.Rows, matrix.Columns);
        int first = 0;
        foreach (var part in sources)
        {
            Pack(part, matrix.Packed, layout, first, interleaved: false);
            first += part.Rows;
        }
    }

    /// <summary>Packs values into experts' matrices: one each, or all gates and then all ups.</summary>
    public void Fill(CudaExpertMatrix matrix, TensorSource[] sources)
    {
        var layout = matrix.Gated ? PackedLayout.Gated(matrix.Rows, matrix.Columns) : new PackedLayout(matrix.Rows, matrix.Columns);
        for (int e = 0; e < matrix.Experts; e++)
        {
            var packed = matrix.Packed.Slice(e * layout.Bytes, layout.Bytes);
            if (matrix.Gated)
            {
                PackGated(sources[e], sources[matrix.Experts + e], packed, layout);
            }
            else
            {
                Pack(sources[e], packed, layout, 0, interleaved: false);
            }
        }
    }

    /// <summary>Copies values into a vector, one part after another.</summary>
    public void Fill(CudaVector vector, ReadOnlySpan<TensorSource> parts)
    {
        ushort[] values = new ushort[vector.Length];
        int at = 0;
        foreach (var part in parts)
        {
            part.CopyRow(0, values.AsSpan(at, part.Columns));
            at += part.Columns;
        }

        stream.Upload<ushort>(vector.Values, values);
    }

    /// <summary>Frees the staging memory; a later upload takes it again.</summary>
    public void ReleaseStaging()
    {
        if (Array.TrueForAll(staging, piece => piece is null))
        {
            return;
        }

        stream.Synchronize();
        for (int i = 0; i < Pieces; i++)
        {
            pinned[i]?.Dispose();
            pinned[i] = null;
            if (staging[i] is { } memory)
            {
                heap.Free(memory);
                staging[i] = null;
            }
        }
    }

    public void Dispose()
    {
        foreach (var piece in pinned)
        {
            piece?.Dispose();
        }

        foreach (var point in copied)
        {
            point.Dispose();
        }
    }

    /// <summary>Fills packed weights; when that fails, frees them.</summary>
    private T Filled<T>(DeviceMemory packed, T result, ReadOnlySpan<TensorSource> sources, Action<T, TensorSource[]> fill)
    {
        try
        {
            fill(result, sources.ToArray());
            return result;
        }
        catch
        {
            heap.Free(packed);
            throw;
        }
    }

    /// <summary>Zeros for so many packed matrices, one after the other, and what products may read behind the last.</summary>
    private DeviceMemory Packed(string name, int matrices, PackedLayout layout)
    {
        if (layout.Width % WidthMultiple != 0)
        {
            throw new ArgumentException(
                $"{name} has {layout.Width} columns; on a GPU rows start at 16 bytes, so columns must be a multiple of {WidthMultiple}.", nameof(layout));
        }

        return heap.AllocateZeroed(stream, (matrices * layout.Bytes) + PackedLayout.ReadAheadBytes, name);
    }

    private void PackGated(TensorSource gate, TensorSource up, DeviceSpan packed, PackedLayout layout)
    {
        Pack(gate, packed, layout, 0, interleaved: true);
        Pack(up, packed, layout, PackedLayout.RowsPerGroup, interleaved: true);
    }

    private void Pack(TensorSource source, DeviceSpan packed, PackedLayout layout, int firstRow, bool interleaved)
    {
        if (source is GeneratedTensor generated)
        {
            kernels.DummyFill.LaunchMatrix(stream, generated.Values, packed, layout, source.Rows, firstRow, interleaved);
            return;
        }

        int piece = (int)Math.Max(
            PackedLayout.RowsPerGroup, PieceBytes / ((long)source.Columns * sizeof(ushort)) / PackedLayout.RowsPerGroup * PackedLayout.RowsPerGroup);
        for (int row = 0; row < source.Rows; row += piece)
        {
            int rows = Math.Min(piece, source.Rows - row);
            var staged = Stage(source, row, rows);
            kernels.PackWeights.Launch(stream, staged, packed, layout, rows, firstRow + (interleaved ? 2 * row : row), interleaved);
        }
    }

    /// <summary>Rows of a source, row-major on the device until the next but one call.</summary>
    private DeviceSpan Stage(TensorSource source, int firstRow, int rows)
    {
        long bytes = (long)rows * source.Columns * sizeof(ushort);
        turn = (turn + 1) % Pieces;
        copied[turn].Synchronize();
        if (pinned[turn] is not { } buffer || buffer.Bytes < bytes)
        {
            buffer = Room(turn, Math.Max(PieceBytes, bytes));
        }

        ReadRows(source, firstRow, rows, buffer);
        var target = staging[turn]!.Span.Slice(0, bytes);
        stream.Copy(target, buffer.Span.Slice(0, bytes));
        stream.Record(copied[turn]);
        return target;
    }

    private PinnedMemory Room(int index, long bytes)
    {
        pinned[index]?.Dispose();
        pinned[index] = null;
        if (staging[index] is { } old)
        {
            heap.Free(old);
            staging[index] = null;
        }

        staging[index] = heap.Allocate(bytes, "loading weights");
        return pinned[index] = new PinnedMemory(context, bytes);
    }

    private static void ReadRows(TensorSource source, int firstRow, int rows, PinnedMemory buffer)
    {
        int columns = source.Columns;
        try
        {
            Parallel.For(0, rows, r => source.CopyRow(firstRow + r, buffer.View<ushort>((long)r * columns, columns)));
        }
        catch (AggregateException e)
        {
            // What the source said is what the caller should hear.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    private static string Names(ReadOnlySpan<TensorSource> parts) =>
        parts.Length == 1 ? parts[0].Name : string.Join(" + ", parts.ToArray().Select(part => part.Name));
}
