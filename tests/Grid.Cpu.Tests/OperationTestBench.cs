using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Cpu.Tests;

/// <summary>Operations in one form, with activations that tests can fill: rows enter through an embedding table.</summary>
internal sealed class OperationTestBench : IDisposable
{
    public OperationTestBench(CpuInstructionSet form, int threads = 2)
    {
        Assert.SkipUnless(CpuOptions.IsSupported(form), $"This processor has no {form}.");
        Operations = new CpuOperations(new CpuOptions { InstructionSet = form, Threads = threads });
    }

    public CpuOperations Operations { get; }

    /// <summary>Begins a step of plain rows at position = row number, all of one sequence.</summary>
    public void BeginRows(int rows, int firstPosition = 0, int[]? pageTable = null)
    {
        var batch = new BatchLayout(rows, 1) { RowCount = rows, SequenceCount = 1 };
        for (int r = 0; r < rows; r++)
        {
            batch.TokenIds[r] = r;
            batch.Positions[r] = firstPosition + r;
            batch.LogitRows[r] = r;
        }

        batch.LogitRowCount = rows;
        batch.Sequences[0] = new SequenceSlice(0, rows, pageTable ?? []);
        Operations.BeginStep(batch);
    }

    /// <summary>An activation holding the tensor's rows; ends with BeginRows for as many.</summary>
    public Activation Fill(ArrayTensor rows, int firstPosition = 0, int[]? pageTable = null)
    {
        BeginRows(rows.Rows, firstPosition, pageTable);
        var activation = Operations.AllocateActivation(rows.Rows, rows.Columns);
        Operations.Embed(Operations.UploadMatrix(rows), activation);
        return activation;
    }

    public ushort[] Read(Activation activation)
    {
        ushort[] values = new ushort[activation.MaxRows * activation.Width];
        Operations.Read(activation, activation.MaxRows, values);
        return values;
    }

    public static void AssertSameBits(ReadOnlySpan<ushort> expected, ReadOnlySpan<ushort> actual, int width, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] != actual[i])
            {
                Assert.Fail($"{what}: row {i / width} column {i % width}: reference {expected[i]:X4}, operation {actual[i]:X4}");
            }
        }
    }

    public static ushort Rounded(float value) => Bf16.FromSingle(value);

    public void Dispose() => Operations.Dispose();
}
