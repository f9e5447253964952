using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Products;
using Grid.Cpu.Rows;
using Grid.Cpu.Threading;
using Grid.Numerics;

namespace Grid.Cpu.Experts;

/// <summary>
/// Every expert's product with the rows routed to it. Tiles of one expert are parts for the crew; an expert's weights are
/// read once a step however many rows it has, and not at all when it has none.
/// </summary>
internal sealed unsafe class ExpertProduct(WorkCrew crew, ChainKernel kernel) : CrewTask
{
    private const long MinimumPartWork = 1 << 17; // multiply-adds; less is not worth a handover

    private readonly PreparedRows _prepared = new(crew, kernel);
    private readonly List<Part> _parts = [];
    private CpuExpertRouting _routing = null!;
    private CpuExpertMatrix _weight = null!;
    private CpuActivation? _gated;

    /// <summary>output[r, slot] = bf16(silu(gate) * up) of input row r and the slot's expert.</summary>
    public void RunGated(CpuActivation input, CpuExpertRouting routing, CpuExpertMatrix weight, CpuActivation output)
    {
        (_routing, _weight, _gated) = (routing, weight, output);
        Run(input, routing.GroupedRows);
    }

    /// <summary>routing.Outputs[r, slot] = fp32 product of input row [r, slot] and the slot's expert.</summary>
    public void RunPlain(CpuActivation input, CpuExpertRouting routing, CpuExpertMatrix weight)
    {
        (_routing, _weight, _gated) = (routing, weight, null);
        Run(input, routing.Grouped);
    }

    public override void Execute(int part)
    {
        var work = _parts[part];
        var matrix = _weight.Matrices[work.Expert];
        int end = _routing.Starts[work.Expert + 1];
        for (int unit = work.FirstUnit; unit < work.EndUnit; unit++)
        {
            for (int place = _routing.Starts[work.Expert]; place < end; place += ChainKernel.MaxRows)
            {
                int count = Math.Min(ChainKernel.MaxRows, end - place);
                if (_gated is null)
                {
                    ExecutePlain(matrix, unit, place, count);
                }
                else
                {
                    ExecuteGated(matrix, unit, place, count);
                }
            }
        }
    }

    private void Run(CpuActivation input, ReadOnlySpan<int> listed)
    {
        int entries = _routing.Rows * _routing.Slots;
        if (entries == 0)
        {
            return;
        }

        _prepared.Take(input, _weight.Columns, listed, entries, _weight.Matrices[0].PaddedColumns);
        CutParts();
        crew.Run(this, _parts.Count);
    }

    /// <summary>Cuts every expert's tiles into parts that are worth a handover, and enough of them to share.</summary>
    private void CutParts()
    {
        var matrix = _weight.Matrices[0];
        int units = matrix.Gated ? matrix.Tiles / 2 : matrix.Tiles;
        long entryWork = matrix.TileLength * (matrix.Gated ? 2 : 1);
        long partWork = Math.Max(MinimumPartWork, entryWork * units * _routing.Rows * _routing.Slots / (crew.Threads * 8));
        _parts.Clear();
        for (int expert = 0; expert < _weight.Experts; expert++)
        {
            int rows = _routing.Starts[expert + 1] - _routing.Starts[expert];
            if (rows == 0)
            {
                continue;
            }

            int perPart = (int)Math.Clamp(partWork / (entryWork * rows), 1, units);
            for (int unit = 0; unit < units; unit += perPart)
            {
                _parts.Add(new Part(expert, unit, Math.Min(unit + perPart, units)));
            }
        }
    }

    private void ExecutePlain(CpuMatrix matrix, int tile, int place, int count)
    {
        float* acc = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        int column = tile * ChainKernel.Columns;
        int columns = Math.Min(ChainKernel.Columns, matrix.Rows - column);
        _prepared.RunChain(matrix, tile, place, count, acc);
        for (int r = 0; r < count; r++)
        {
            float* target = _routing.Outputs.Pointer + ((long)_routing.Grouped[place + r] * matrix.Rows) + column;
            new ReadOnlySpan<float>(acc + (r * ChainKernel.Columns), columns).CopyTo(new Span<float>(target, columns));
        }
    }

    private void ExecuteGated(CpuMatrix matrix, int unit, int place, int count)
    {
        float* gate = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        float* up = stackalloc float[ChainKernel.MaxRows * ChainKernel.Columns];
        ushort* rounded = stackalloc ushort[ChainKernel.Columns];
        int column = unit * ChainKernel.Columns;
        int columns = Math.Min(ChainKernel.Columns, matrix.Rows - column);
        _prepared.RunTwoTiles(matrix, 2 * unit, place, count, gate, up);
        for (int r = 0; r < count; r++)
        {
            var g = VectorTranscendentals.Silu(Vector512.Load(gate + (r * ChainKernel.Columns)));
            VectorBf16.StoreRounded(g * Vector512.Load(up + (r * ChainKernel.Columns)), rounded);
            ushort* target = _gated!.Data.Pointer + ((long)_routing.Grouped[place + r] * matrix.Rows) + column;
            new ReadOnlySpan<ushort>(rounded, columns).CopyTo(new Span<ushort>(target, columns));
        }
    }

    /// <summary>Units (column tiles) of one expert.</summary>
    private readonly record struct Part(int Expert, int FirstUnit, int EndUnit);
}
