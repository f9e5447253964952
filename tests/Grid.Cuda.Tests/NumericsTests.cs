using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Grid.Cuda.Driver;
using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>Kernels/Common/numerics.cuh against Grid.Numerics, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class NumericsTests(GpuFixture gpu, ITestOutputHelper output)
{
    private const int Chunk = 1 << 24;

    // Every 4099th float: small enough for every commit.
    private const uint KnownStride = 4099;
    private const int KnownCount = (int)((1L << 32) / KnownStride);

    /// <summary>Every function of the scan, in the order of its kernel.</summary>
    public enum Function
    {
        Exp2,
        Log2,
        Silu,
        Bf16,
        Exp2Bf16,
        Bf16Pair,
        SquareRoot,
        Reciprocal,
    }

    [Theory]
    [InlineData(Function.Exp2)]
    [InlineData(Function.Log2)]
    [InlineData(Function.Silu)]
    [InlineData(Function.Bf16)]
    [InlineData(Function.Exp2Bf16)]
    [InlineData(Function.Bf16Pair)]
    [InlineData(Function.SquareRoot)]
    [InlineData(Function.Reciprocal)]
    public void A_function_has_the_bits_of_the_CPU_for_every_float(Function function)
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("function_scan.cu");
        var kernel = module.GetKernel<ScanArguments>("function_scan");
        using var stream = new CudaStream(context);
        using var results = new DeviceMemory(context, (long)Chunk * sizeof(uint));
        using var pinned = new PinnedMemory(context, (long)Chunk * sizeof(uint));

        // All 2^32 where there are cores to check them; else every 61st.
        uint stride = Environment.ProcessorCount >= 8 ? 1u : 61u;
        long total = (1L << 32) / stride;
        long differing = 0;
        string? first = null;
        for (long done = 0; done < total; done += Chunk)
        {
            int count = (int)Math.Min(Chunk, total - done);
            uint start = (uint)(done * stride);
            kernel.Launch(
                stream, new LaunchShape(new Dim3(132 * 8), new Dim3(256)),
                new ScanArguments { Results = results.Span.Start, First = start, Stride = stride, Count = (uint)count, Function = (uint)function });
            stream.Copy(pinned.Span.Slice(0, (long)count * sizeof(uint)), results.Span.Slice(0, (long)count * sizeof(uint)));
            stream.Synchronize();
            Compare(function, pinned, start, stride, count, ref differing, ref first);
        }

        output.WriteLine($"{function}: {total:N0} arguments");
        Assert.True(differing == 0, $"{function}: {differing:N0} of {total:N0} differ; {first}");
    }

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_CPU_has_the_bits_that_were_captured_from_the_GPU(Function function, string hash)
    {
        uint[] results = new uint[KnownCount];
        for (int i = 0; i < KnownCount; i++)
        {
            results[i] = Expected(function, BitConverter.UInt32BitsToSingle((uint)i * KnownStride), out _);
        }

        Assert.Equal(hash, Hash(function, results));
    }

    [Theory]
    [MemberData(nameof(KnownAnswers))]
    public void The_GPU_still_has_the_bits_that_were_captured_from_it(Function function, string hash)
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("function_scan.cu");
        var kernel = module.GetKernel<ScanArguments>("function_scan");
        using var stream = new CudaStream(context);
        using var memory = new DeviceMemory(context, KnownCount * sizeof(uint));
        kernel.Launch(
            stream, new LaunchShape(new Dim3(132 * 8), new Dim3(256)),
            new ScanArguments { Results = memory.Span.Start, Stride = KnownStride, Count = KnownCount, Function = (uint)function });
        uint[] results = new uint[KnownCount];
        stream.Download<uint>(results, memory.Span);
        Assert.Equal(hash, Hash(function, results));
    }

    [Fact]
    public void Draws_have_the_bits_of_the_CPU()
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("function_scan.cu");
        var kernel = module.GetKernel<DrawArguments>("philox_scan");
        using var stream = new CudaStream(context);
        const int Count = 1 << 20;
        using var results = new DeviceMemory(context, Count * sizeof(ulong));
        foreach ((ulong seed, ulong position, uint stream_) in ((ulong, ulong, uint)[])[(0, 0, 0), (0x9E3779B97F4A7C15, (1UL << 32) - 1000, 7), (ulong.MaxValue, 1UL << 62, 1)])
        {
            kernel.Launch(
                stream, new LaunchShape(new Dim3(Count / 256), new Dim3(256)),
                new DrawArguments { Results = results.Span.Start, Seed = seed, First = position, Stream = stream_, Count = Count });
            ulong[] actual = new ulong[Count];
            stream.Download<ulong>(actual, results.Span);
            for (int i = 0; i < Count; i++)
            {
                Assert.Equal(Philox4x32.Draw(seed * (ulong)(i + 1), (long)position + i, stream_), actual[i]);
            }
        }
    }

    /// <summary>Captures/numerics_hashes.txt: SHA-256 of a function's results, captured from an H100.</summary>
    public static TheoryData<Function, string> KnownAnswers()
    {
        var answers = new TheoryData<Function, string>();
        foreach (string line in TestResource.Read("numerics_hashes.txt").Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            string[] parts = line.Split(' ');
            answers.Add(Enum.Parse<Function>(parts[0]), parts[1]);
        }

        return answers;
    }

    private static string Hash(Function function, uint[] results)
    {
        for (int i = 0; i < results.Length; i++)
        {
            results[i] = IsNaN(function, results[i]) ? uint.MaxValue : results[i];
        }

        return Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<uint>(results)));
    }

    private static void Compare(
        Function function, PinnedMemory pinned, uint start, uint stride, int count, ref long differing, ref string? first)
    {
        const int Part = 1 << 16;
        long wrong = 0;
        uint firstWrong = uint.MaxValue;
        var gate = new Lock();
        Parallel.For(0, (count + Part - 1) / Part, part =>
        {
            int from = part * Part;
            ReadOnlySpan<uint> actual = pinned.View<uint>(from, Math.Min(Part, count - from));
            for (int i = 0; i < actual.Length; i++)
            {
                float x = BitConverter.UInt32BitsToSingle(start + ((uint)(from + i) * stride));
                uint expected = Expected(function, x, out bool isNaN);
                if (expected != actual[i] && !(isNaN && IsNaN(function, actual[i])))
                {
                    lock (gate)
                    {
                        wrong++;
                        firstWrong = Math.Min(firstWrong, (uint)(from + i));
                    }
                }
            }
        });
        if (wrong > 0)
        {
            differing += wrong;
            float x = BitConverter.UInt32BitsToSingle(start + (firstWrong * stride));
            first ??= $"first at {BitConverter.SingleToUInt32Bits(x):X8} ({x:R}): expected {Expected(function, x, out _):X8}, " +
                $"got {pinned.View<uint>(firstWrong, 1)[0]:X8}";
        }
    }

    private static uint Expected(Function function, float x, out bool isNaN)
    {
        uint bits = function switch
        {
            Function.Exp2 => BitConverter.SingleToUInt32Bits(Transcendentals.Exp2(x)),
            Function.Log2 => BitConverter.SingleToUInt32Bits(Transcendentals.Log2(x)),
            Function.Silu => BitConverter.SingleToUInt32Bits(Transcendentals.Silu(x)),
            Function.Bf16 or Function.Bf16Pair => Grid.Numerics.Bf16.FromSingle(x),
            Function.Exp2Bf16 => Grid.Numerics.Exp2Bf16.Evaluate(x),
            Function.SquareRoot => BitConverter.SingleToUInt32Bits(MathF.Sqrt(x)),
            Function.Reciprocal => BitConverter.SingleToUInt32Bits(1f / x),
            _ => throw new ArgumentOutOfRangeException(nameof(function)),
        };
        isNaN = IsNaN(function, bits);
        return bits;
    }

    // Payloads of NaN are outside the contract.
    private static bool IsNaN(Function function, uint bits) =>
        function is Function.Bf16 or Function.Bf16Pair or Function.Exp2Bf16
            ? (bits & 0x7FFF) > 0x7F80
            : (bits & 0x7FFFFFFF) > 0x7F800000;

    private struct ScanArguments
    {
        public CUdeviceptr Results;
        public uint First;
        public uint Stride;
        public uint Count;
        public uint Function;
    }

    private struct DrawArguments
    {
        public CUdeviceptr Results;
        public ulong Seed;
        public ulong First;
        public uint Stream;
        public uint Count;
    }
}
