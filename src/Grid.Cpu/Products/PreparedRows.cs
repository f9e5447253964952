using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Numerics;

namespace Grid.Cpu.Products;

/// <summary>The rows of a product as the chain kernels read them, and chains of these rows through a matrix's tiles.</summary>
internal sealed unsafe class PreparedRows(WorkCrew crew, ChainKernel kernel)
{
    private readonly IntegerChainKernel _integer = new();
    private readonly RowPreparation _preparation = new();
    private NativeBuffer<float> _wide = new(0);
    private NativeBuffer<ushort> _exponents = new(0);
    private bool[] _extreme = [];

    /// <summary>
    /// Takes the input's values as rows of <paramref name="width"/> each: the first <paramref name="rows"/>, or those listed.
    /// </summary>
    public void Take(CpuActivation input, int width, ReadOnlySpan<int> listed, int rows, int padded)
    {
        long length = (long)rows * padded;
        if (_wide.Length < length)
        {
            _wide.Dispose();
            _exponents.Dispose();
            _wide = new NativeBuffer<float>(length);
            _exponents = new NativeBuffer<ushort>(length);
        }

        if (_extreme.Length < rows)
        {
            _extreme = new bool[rows];
        }

        _preparation.Run(crew, input, width, listed, rows, padded, _wide, _exponents, _extreme);
    }

    /// <summary>acc[r][16] = the chains of rows row … row + count - 1 (at most 8) through a tile of the matrix.</summary>
    public void RunChain(CpuMatrix weight, int tile, int row, int count, float* acc)
    {
        new Span<float>(acc, count * ChainKernel.Columns).Clear();
        int stride = weight.PaddedColumns;
        bool extreme = weight.Extreme[tile] || _extreme.AsSpan(row, count).Contains(true);
        (extreme ? _integer : kernel).Run(
            weight.Data.Pointer + (tile * weight.TileLength), stride / Dot16.Terms,
            _wide.Pointer + ((long)row * stride), _exponents.Pointer + ((long)row * stride), stride, count,
            acc, ChainKernel.Columns);
    }

    /// <summary>Two neighbouring tiles, as <see cref="RunChain"/> runs each.</summary>
    public void RunTwoTiles(CpuMatrix weight, int tile, int row, int count, float* first, float* second)
    {
        if (count > 1 || weight.Extreme[tile] || weight.Extreme[tile + 1] || _extreme[row])
        {
            RunChain(weight, tile, row, count, first);
            RunChain(weight, tile + 1, row, count, second);
            return;
        }

        new Span<float>(first, ChainKernel.Columns).Clear();
        new Span<float>(second, ChainKernel.Columns).Clear();
        int stride = weight.PaddedColumns;
        ushort* weights = weight.Data.Pointer + (tile * weight.TileLength);
        kernel.RunTwoTiles(
            weights, weights + weight.TileLength, stride / Dot16.Terms,
            _wide.Pointer + ((long)row * stride), _exponents.Pointer + ((long)row * stride), first, second);
    }
}
