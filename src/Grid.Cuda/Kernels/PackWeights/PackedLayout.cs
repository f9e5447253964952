namespace Grid.Cuda.Kernels.PackWeights;

/// <summary>How a matrix of weights lies in device memory (weight_tiles.cuh): chunk after chunk of 64 k, a chunk holding all rows.</summary>
/// <param name="Rows">Packed rows that count: those of stacked matrices one after the other, and of gate and up in turn.</param>
/// <param name="Width">K.</param>
internal readonly record struct PackedLayout(int Rows, int Width)
{
    /// <summary>Elements of K in a chunk; rows are padded to a multiple of it too.</summary>
    public const int Chunk = 64;

    /// <summary>Rows that lie together when two matrices are interleaved.</summary>
    public const int RowsPerGroup = 8;

    /// <summary>Bytes of a row in a chunk.</summary>
    public const int ChunkRowBytes = Chunk * sizeof(ushort);

    /// <summary>The most weight rows that a block of a product fetches at once.</summary>
    public const int MaxTileRows = 256;

    /// <summary>
    /// Bytes behind a packed matrix that products may read, whatever lies there: a tile that begins at the last rows is fetched whole.
    /// </summary>
    public const int ReadAheadBytes = (MaxTileRows - RowsPerGroup) * ChunkRowBytes;

    /// <summary>Rows in memory; those that nothing writes are zeros.</summary>
    public int PaddedRows => RoundUp(Rows);

    /// <summary>K in memory; what pads it is zeros.</summary>
    public int PaddedWidth => RoundUp(Width);

    /// <summary>Of the matrix, without what may be read behind it.</summary>
    public long Bytes => (long)PaddedRows * PaddedWidth * sizeof(ushort);

    /// <summary>A matrix of gates and ups in turn, eight rows each.</summary>
    /// <param name="rows">Of each.</param>
    /// <param name="width">K.</param>
    public static PackedLayout Gated(int rows, int width) =>
        new(checked((rows + RowsPerGroup - 1) / RowsPerGroup * (2 * RowsPerGroup)), width);

    /// <summary>Packed rows from one group of eight of a source to its next.</summary>
    public static int GroupStride(bool interleaved) => interleaved ? 2 * RowsPerGroup : RowsPerGroup;

    /// <summary>Rows of a source find their places in this matrix.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They do not.</exception>
    public void RequireRows(int rows, int firstRow, bool interleaved)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Width);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        long last = firstRow + ((rows - 1L) / RowsPerGroup * GroupStride(interleaved)) + ((rows - 1) % RowsPerGroup);
        if (last >= Rows)
        {
            throw new ArgumentOutOfRangeException(
                nameof(rows), rows, $"the last of them would be row {last} of a packed matrix of {Rows}.");
        }
    }

    private static int RoundUp(int value) => checked((value + Chunk - 1) / Chunk * Chunk);
}
