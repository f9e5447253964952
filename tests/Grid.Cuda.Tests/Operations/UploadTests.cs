using System.Runtime.InteropServices;
using Grid.Cpu;
using Grid.Models.Operations;

namespace Grid.Cuda.Tests;

/// <summary>Weights on the GPU: products and embeddings over them against the CPU's over the same sources.</summary>
[Collection(GpuCollection.Name)]
public sealed class UploadTests(OperationsFixture device)
{
    private const int Rows = 9;

    public static TheoryData<int, int> Shapes => new() { { 1, 8 }, { 63, 40 }, { 64, 64 }, { 65, 72 }, { 129, 1000 }, { 300, 512 }, { 20001, 1000 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Stacked_matrices_are_the_sources_rows(int rows, int columns)
    {
        Compare(columns, rows + 11, (operations, input, output) =>
        {
            using var matrix = operations.UploadMatrix(new NoiseTensor("first", 1, rows, columns), new NoiseTensor("second", 2, 11, columns));
            operations.Project(input, RowList.All, matrix, Epilogue.Store(output));
        });
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Gate_and_up_are_the_sources_rows(int rows, int columns)
    {
        Compare(columns, rows, (operations, input, output) =>
        {
            using var matrix = operations.UploadGatedMatrix(new NoiseTensor("gate", 3, rows, columns), new NoiseTensor("up", 4, rows, columns));
            operations.Project(input, RowList.All, matrix, Epilogue.GatedSilu(output));
        });
    }

    [Fact]
    public void Generated_matrices_are_made_where_they_are_used()
    {
        foreach ((int rows, int columns) in ((int, int)[])[(100, 200), (64, 64), (13, 1000)])
        {
            Compare(columns, rows + 24, (operations, input, output) =>
            {
                using var matrix = operations.UploadMatrix(
                    new GeneratedTensor("model.q", [rows, columns]), new NoiseTensor("k", 1, 11, columns), new GeneratedTensor("model.v", [13, columns]));
                var bias = operations.UploadVector(new GeneratedTensor("a.bias", [rows + 11]), new GeneratedTensor("b.bias", [13]));
                operations.Project(input, RowList.All, matrix, Epilogue.Store(output) with { Bias = bias });
            });
            Compare(columns, rows, (operations, input, output) =>
            {
                using var matrix = operations.UploadGatedMatrix(new GeneratedTensor("gate", [rows, columns]), new GeneratedTensor("up", [rows, columns]));
                operations.Project(input, RowList.All, matrix, Epilogue.GatedSilu(output));
            });
        }
    }

    [Fact]
    public void What_cannot_be_is_refused_by_name_and_frees_what_was_taken()
    {
        var operations = device.Require();
        long before = operations.Memory.FreeBytes;
        var columns = Assert.Throws<ArgumentException>(() => operations.UploadMatrix(new NoiseTensor("model.odd", 1, 64, 100)));
        Assert.StartsWith("model.odd has 100 columns; on a GPU rows start at 16 bytes, so columns must be a multiple of 8.", columns.Message, StringComparison.Ordinal);
        var broken = Assert.Throws<InvalidDataException>(() => operations.UploadMatrix(new BrokenTensor("model.broken", 1 << 14, 1 << 14)));
        Assert.StartsWith("model.broken is broken in row", broken.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => operations.AllocateKvCache(1, 1, 32, 1));
        Assert.InRange(operations.Memory.FreeBytes, before - (80 << 20), long.MaxValue); // staging stays until the first step
    }

    [Fact]
    public void Too_little_memory_is_told_with_what_is_needed_and_free()
    {
        var operations = device.Require();
        var memory = operations.Memory;
        int pages = (int)((memory.TotalBytes / operations.KvPageBytes(64, 8, 128)) + 1);
        var error = Assert.Throws<CudaOutOfMemoryException>(() => operations.AllocateKvCache(64, 8, 128, pages));
        Assert.Equal(
            $"a KV cache of {pages} pages needs {pages * operations.KvPageBytes(64, 8, 128)} bytes of the GPU's memory, and {error.Memory.FreeBytes} of {memory.TotalBytes} are free.",
            error.Message);
        using var small = operations.AllocateKvCache(1, 1, 64, 1); // and everything still works
    }

    [Fact]
    public void Everything_is_freed_with_the_operations()
    {
        long before = device.Require().Memory.FreeBytes;
        for (int i = 0; i < 3; i++)
        {
            using var operations = device.Open(new CudaOptions());
            operations.UploadMatrix(new NoiseTensor("matrix", 1, 5000, 4096));
            operations.AllocateLogits(100, 100_000);
            operations.AllocateRouting(512, 128, 8, 2048);
            operations.AllocateKvCache(4, 8, 128, 100);
            operations.AllocateActivation(512, 12288);
        }

        Assert.InRange(device.Require().Memory.FreeBytes, before - (16 << 20), long.MaxValue);
    }

    private void Compare(int inputs, int outputs, Action<IOperations, Activation, Activation> compute)
    {
        var gpu = device.Require();
        using var cpu = new CpuOperations(new CpuOptions());
        var expected = Compute(cpu, inputs, outputs, compute);
        Comparison.RequireEqual([expected], [Compute(gpu, inputs, outputs, compute)]);
    }

    private static Result Compute(IOperations operations, int inputs, int outputs, Action<IOperations, Activation, Activation> compute)
    {
        var batch = new BatchLayout(Rows, 1) { RowCount = Rows, SequenceCount = 1 };
        for (int r = 0; r < Rows; r++)
        {
            (batch.TokenIds[r], batch.Positions[r]) = (Rows - 1 - r, r);
        }

        batch.Sequences[0] = new SequenceSlice(0, Rows, []);
        operations.BeginStep(batch);
        var input = operations.AllocateActivation(Rows, inputs);
        var output = operations.AllocateActivation(Rows, outputs);
        using var table = operations.UploadMatrix(new NoiseTensor("x", 9, Rows, inputs));
        operations.Embed(table, input);
        compute(operations, input, output);
        ushort[] bits = new ushort[Rows * outputs];
        operations.Read(output, Rows, bits);
        return new Result("output", outputs, sizeof(ushort), MemoryMarshal.AsBytes(bits.AsSpan()).ToArray());
    }
}
