using Grid.Cpu.Memory;
using Grid.Cpu.Rows;
using Grid.Cpu.Threading;

namespace Grid.Cpu.Products;

/// <summary>Widens the rows of a product once, before all its tiles read them.</summary>
internal sealed unsafe class RowPreparation : CrewTask
{
    private const int RowsPerPart = 32;

    private CpuActivation _input = null!;
    private int _width;
    private int[] _listed = [];
    private bool _isListed;
    private int _rows;
    private int _padded;
    private NativeBuffer<float> _wide = null!;
    private NativeBuffer<ushort> _exponents = null!;
    private bool[] _extreme = [];

    public void Run(
        WorkCrew crew, CpuActivation input, int width, ReadOnlySpan<int> listed, int rows, int padded,
        NativeBuffer<float> wide, NativeBuffer<ushort> exponents, bool[] extreme)
    {
        (_input, _width) = (input, width);
        (_rows, _padded, _wide, _exponents, _extreme) = (rows, padded, wide, exponents, extreme);
        _isListed = !listed.IsEmpty;
        if (_isListed)
        {
            if (_listed.Length < rows)
            {
                _listed = new int[rows];
            }

            listed[..rows].CopyTo(_listed);
        }

        crew.Run(this, (rows + RowsPerPart - 1) / RowsPerPart);
    }

    public override void Execute(int part)
    {
        int end = Math.Min((part + 1) * RowsPerPart, _rows);
        for (int row = part * RowsPerPart; row < end; row++)
        {
            int source = _isListed ? _listed[row] : row;
            long start = (long)row * _padded;
            _extreme[row] = VectorBf16.Prepare(
                _input.Data.Pointer + ((long)source * _width), _width, _padded, _wide.Pointer + start, _exponents.Pointer + start);
        }
    }
}
