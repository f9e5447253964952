using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Grid.Models.Operations;
using Grid.Models.WeightSources;

namespace Grid.Models.Checkpoints;

/// <summary>A tensor of a safetensors file, read as bf16 rows.</summary>
internal sealed class SafetensorsTensor(SafetensorsFile file, StoredTensor stored) : TensorSource(stored.Name, stored.Shape), IWeight
{
    private const int InspectedElements = 1 << 15;
    private const long ReleasedBytes = 16 << 20;

    /// <inheritdoc/>
    public TensorSource Tensor => this;

    /// <inheritdoc/>
    public long Bytes => stored.Length;

    /// <inheritdoc/>
    public override void CopyRow(int row, Span<ushort> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, Columns);
        Copy((long)row * Columns, destination);
    }

    /// <inheritdoc/>
    public void Release() => file.Release(stored, 0, stored.Length);

    /// <summary>Reads the tensor once from start to end: refuses NaN and infinities, and returns the SHA-256 of its bf16
    /// values (row-major, little-endian) in hexadecimal. Parts that have been read need not stay in memory.</summary>
    public string Identify(CancellationToken cancellationToken)
    {
        long elements = stored.Length / stored.ElementSize;
        long released = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        ushort[] buffer = ArrayPool<ushort>.Shared.Rent(InspectedElements);
        try
        {
            for (long first = 0; first < elements; first += InspectedElements)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var values = buffer.AsSpan(0, (int)Math.Min(InspectedElements, elements - first));
                Copy(first, values);
                CheckFinite(first, values);
                hash.AppendData(MemoryMarshal.AsBytes(values));
                long read = (first + values.Length) * stored.ElementSize;
                if (read - released >= ReleasedBytes || read == stored.Length)
                {
                    file.Release(stored, released, read - released);
                    released = read;
                }
            }
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(buffer);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void Copy(long firstElement, Span<ushort> destination)
    {
        var bytes = file.Bytes(stored, firstElement * stored.ElementSize, destination.Length * stored.ElementSize);
        Bf16Rows.Convert(stored.Type, bytes, destination);
    }

    private void CheckFinite(long first, ReadOnlySpan<ushort> values)
    {
        int bad = Bf16Rows.IndexOfNonFinite(values);
        if (bad >= 0)
        {
            long element = first + bad;
            throw new ModelFormatException(file.Path, $"{Name}{IndexText(element)}",
                ushort.CreateChecked(values[bad] & 0x7F) != 0 ? "NaN" : "infinite in bf16", "weights must be finite");
        }
    }

    /// <summary>A flat element number as [row, column].</summary>
    private string IndexText(long element)
    {
        int[] index = new int[Shape.Count];
        for (int d = index.Length - 1; d >= 0; d--)
        {
            index[d] = (int)(element % Shape[d]);
            element /= Shape[d];
        }

        return StoredTensor.Format(index);
    }
}
