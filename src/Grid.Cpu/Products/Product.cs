using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Rows;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Products;

/// <summary>
/// y = x * W^T for some rows: first the rows are prepared (widened, exponents apart), then tiles of 16 outputs are
/// parts for the crew. Rows go through the kernel eight at a time, a single row over two tiles at a time; which rows and
/// tiles share a pass does not touch their bits.
/// </summary>
internal sealed unsafe class Product(WorkCrew crew, ChainKernel kernel) : CrewTask
{
    private const long MinimumPartWork = 1 << 17; // multiply-adds; less is not worth a handover

    private readonly PreparedRows _prepared = new(crew, kernel);
    private CpuMatrix _weight = null!;
    private CpuActivation? _target;
    private CpuLogits? _logits;
    private CpuVector? _bias;
    private EpilogueKind _kind;
    private int _rows;
    private int _tilesPerUnit; // the tiles that one pass works on
    private int _unitsPerPart;

    /// <summary>Runs the product on rows of the input: the first <paramref name="rows"/>, or those listed.</summary>
    public void Run(CpuActivation input, ReadOnlySpan<int> listed, int rows, CpuMatrix weight, in Epilogue epilogue)
    {
        if (rows == 0)
        {
            return;
        }

        (_weight, _rows, _kind) = (weight, rows, epilogue.Kind);
        (_target, _logits, _bias) = ((CpuActivation?)epilogue.Target, (CpuLogits?)epilogue.Logits, (CpuVector?)epilogue.Bias);
        _prepared.Take(input, input.Width, listed, rows, weight.PaddedColumns);

        _tilesPerUnit = weight.Gated || rows == 1 ? 2 : 1;
        int units = Units;
        long unitWork = weight.TileLength * rows * _tilesPerUnit;
        int perPart = (int)Math.Max(1, Math.Min(MinimumPartWork / unitWork, units));
        _unitsPerPart = Math.Max(perPart, units / (crew.Threads * 8));
        crew.Run(this, (units + _unitsPerPart - 1) / _unitsPerPart);
    }

    private int Units => (_weight.Tiles + _tilesPerUnit - 1) / _tilesPerUnit;

    public override void Execute(int part)
    {
        int end = Math.Min((part + 1) * _unitsPerPart, Units);
        for (int unit = part * _unitsPerPart; unit < end; unit++)
        {
            if (_weight.Gated)
            {
                ExecuteGated(unit);
            }
            else
            {
                ExecuteTiles(unit * _tilesPerUnit);
            }
        }
    }

    private void ExecuteTiles(int tile)
    {
        float* acc = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        int tiles = Math.Min(_tilesPerUnit, _weight.Tiles - tile);
        for (int row = 0; row < _rows; row += ChainKernel.MaxRows)
        {
            int count = Math.Min(ChainKernel.MaxRows, _rows - row);
            if (tiles == 2)
            {
                _prepared.RunTwoTiles(_weight, tile, row, count, acc, acc + ChainKernel.Columns);
                Finish(row, tile, Vector512.Load(acc));
                Finish(row, tile + 1, Vector512.Load(acc + ChainKernel.Columns));
                continue;
            }

            _prepared.RunChain(_weight, tile, row, count, acc);
            for (int r = 0; r < count; r++)
            {
                Finish(row + r, tile, Vector512.Load(acc + (r * ChainKernel.Columns)));
            }
        }
    }

    private void ExecuteGated(int unit)
    {
        float* gate = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        float* up = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        for (int row = 0; row < _rows; row += ChainKernel.MaxRows)
        {
            int count = Math.Min(ChainKernel.MaxRows, _rows - row);
            _prepared.RunTwoTiles(_weight, 2 * unit, row, count, gate, up);
            for (int r = 0; r < count; r++)
            {
                var g = VectorTranscendentals.Silu(Vector512.Load(gate + (r * ChainKernel.Columns)));
                Finish(row + r, unit, g * Vector512.Load(up + (r * ChainKernel.Columns)));
            }
        }
    }

    /// <summary>Stores 16 finished outputs: the tile's, or the gated pair's.</summary>
    private void Finish(int row, int tile, Vector512<float> value)
    {
        int column = tile * ChainKernel.Columns;
        int columns = Math.Min(ChainKernel.Columns, _weight.Rows - column);
        if (_kind == EpilogueKind.Raw)
        {
            float* logits = _logits!.Data.Pointer + ((long)row * _logits.Width) + column;
            if (columns == ChainKernel.Columns)
            {
                value.Store(logits);
                return;
            }

            for (int c = 0; c < columns; c++)
            {
                logits[c] = value.GetElement(c);
            }

            return;
        }

        if (_bias is not null)
        {
            value += _bias.Load(column, columns);
        }

        ushort* target = _target!.Data.Pointer + ((long)row * _target.Width) + column;
        if (columns == ChainKernel.Columns)
        {
            VectorBf16.StoreRounded(_kind == EpilogueKind.Add ? VectorBf16.Widen(target) + value : value, target);
            return;
        }

        for (int c = 0; c < columns; c++)
        {
            float v = value.GetElement(c);
            target[c] = Bf16.FromSingle(_kind == EpilogueKind.Add ? Bf16.ToSingle(target[c]) + v : v);
        }
    }
}
