namespace Grid.Cuda.Tests;

/// <summary>Where weight_tiles.cuh puts an element, told once more: [chunk of 64 k][row][place of eight k][k], places swizzled by row.</summary>
internal static class PackedPlace
{
    /// <param name="row">Of the packed matrix.</param>
    /// <param name="k">Column.</param>
    /// <param name="rows">Rows that the packed matrix has in memory.</param>
    public static long Of(int row, int k, int rows)
    {
        int chunk = k / 64, piece = k % 64 / 8;
        return (((((long)chunk * rows) + row) * 8) + (piece ^ (row % 8))) * 8 + (k % 8);
    }
}
