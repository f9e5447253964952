using System.Runtime.Intrinsics;
using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Rows;

/// <summary>Work on single rows of an activation, some rows a part.</summary>
internal abstract class RowTask : CrewTask
{
    private const int RowsPerPart = 8;

    private int _rows;

    protected void RunRows(WorkCrew crew, int rows)
    {
        _rows = rows;
        crew.Run(this, (rows + RowsPerPart - 1) / RowsPerPart);
    }

    public override void Execute(int part)
    {
        int end = Math.Min((part + 1) * RowsPerPart, _rows);
        for (int row = part * RowsPerPart; row < end; row++)
        {
            ExecuteRow(row);
        }
    }

    protected abstract void ExecuteRow(int row);
}

/// <summary>Gathers embedding rows from the packed table.</summary>
internal sealed unsafe class EmbedTask : RowTask
{
    private CpuMatrix _table = null!;
    private CpuActivation _output = null!;
    private int[] _tokens = [];

    public void Run(WorkCrew crew, CpuMatrix table, BatchLayout batch, CpuActivation output)
    {
        (_table, _output, _tokens) = (table, output, batch.TokenIds);
        RunRows(crew, batch.RowCount);
    }

    protected override void ExecuteRow(int row)
    {
        int token = _tokens[row];
        uint* tile = (uint*)(_table.Data.Pointer + (token / ChainKernel.Columns * _table.TileLength)) + (token % ChainKernel.Columns);
        var target = _output.Row(row);
        for (int k = 0; k < target.Length; k++)
        {
            uint both = tile[k / 2 * ChainKernel.Columns];
            target[k] = (ushort)(k % 2 == 0 ? both : both >> 16);
        }
    }
}

/// <summary>RMSNorm: bf16((x * (1/sqrt(mean + epsilon))) * w), the sum of squares in the contract's tree.</summary>
internal sealed unsafe class NormTask : RowTask
{
    private CpuActivation _input = null!;
    private CpuActivation _output = null!;
    private float[] _weight = [];
    private float _epsilon;

    public void Run(WorkCrew crew, CpuActivation input, in NormSpec norm, int rows, CpuActivation output)
    {
        (_input, _output, _weight, _epsilon) = (input, output, ((CpuVector)norm.Weight).Values, norm.Epsilon);
        RunRows(crew, rows);
    }

    protected override void ExecuteRow(int row)
    {
        int n = _input.Width;
        var wide = n <= 8192 ? stackalloc float[n] : new float[n];
        var source = _input.Row(row);
        fixed (float* x = wide, w = _weight)
        fixed (ushort* from = source, to = _output.Row(row))
        {
            float inverse = HeadNorm.WidenAndScale(from, x, n, _epsilon);
            var scale = Vector512.Create(inverse);
            int i = 0;
            for (; i + 16 <= n; i += 16)
            {
                VectorBf16.StoreRounded(Vector512.Load(x + i) * scale * Vector512.Load(w + i), to + i);
            }

            for (; i < n; i++)
            {
                to[i] = Bf16.FromSingle(x[i] * inverse * w[i]);
            }
        }
    }
}

/// <summary>The part that row norm and head norm share.</summary>
internal static unsafe class HeadNorm
{
    /// <summary>Widens n values and returns 1/sqrt(mean of squares + epsilon).</summary>
    public static float WidenAndScale(ushort* from, float* x, int n, float epsilon)
    {
        int i = 0;
        for (; i + 16 <= n; i += 16)
        {
            VectorBf16.Widen(from + i).Store(x + i);
        }

        for (; i < n; i++)
        {
            x[i] = Bf16.ToSingle(from[i]);
        }

        return RmsNormReference.InverseRms(RowReduction.SumOfSquares(new ReadOnlySpan<float>(x, n)), n, epsilon);
    }
}
