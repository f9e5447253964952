using Grid.Cpu.Chains;
using Grid.Cpu.Memory;
using Grid.Cpu.Threading;
using Grid.Models.Operations;

namespace Grid.Cpu.Products;

/// <summary>Packs checkpoint rows into <see cref="CpuMatrix"/> tiles, a tile a part.</summary>
internal sealed unsafe class MatrixPacker(CpuMatrix target, TensorSource[] parts) : CrewTask
{
    public override void Execute(int part)
    {
        ushort[] row = new ushort[target.Columns];
        ushort* tile = target.Data.Pointer + (part * target.TileLength);
        int first = (target.Gated ? part / 2 : part) * ChainKernel.Columns;
        int largest = 0;
        for (int column = 0; column < ChainKernel.Columns && first + column < target.Rows; column++)
        {
            (var source, int sourceRow) = Locate(part, first + column);
            source.CopyRow(sourceRow, row);
            for (int k = 0; k < row.Length; k++)
            {
                tile[(k / 2 * 2 * ChainKernel.Columns) + (column * 2) + (k % 2)] = row[k];
                largest = Math.Max(largest, (row[k] >> 7) & 0xFF);
            }
        }

        target.Extreme[part] = largest >= ChainKernel.ExtremeExponentField;
    }

    private (TensorSource Source, int Row) Locate(int part, int row)
    {
        if (target.Gated)
        {
            return (parts[part % 2], row);
        }

        foreach (var source in parts)
        {
            if (row < source.Rows)
            {
                return (source, row);
            }

            row -= source.Rows;
        }

        throw new ArgumentOutOfRangeException(nameof(row), row, $"{target.Name} has {target.Rows} rows.");
    }
}
