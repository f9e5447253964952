using Grid.Cuda.Driver;

namespace Grid.Cuda.Tests;

[Collection(GpuCollection.Name)]
public sealed class LaunchTests(GpuFixture gpu, ITestOutputHelper output)
{
    private const int Count = 100_000;
    private const int Threads = 256;
    private static readonly LaunchShape Shape = new(new Dim3((Count + Threads - 1) / Threads), new Dim3(Threads));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Blocks_stand_in_the_cluster_that_was_asked_for(int size)
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        using var stream = new CudaStream(context);
        using var ranks = new DeviceMemory(context, 64 * sizeof(uint));
        var kernel = module.GetKernel<ClusterArguments>("cluster_ranks");
        var shape = new LaunchShape(new Dim3(64), new Dim3(32)) { Cluster = new Dim3(size) };
        kernel.Launch(stream, shape, new ClusterArguments { Ranks = ranks.Span.Start });
        uint[] actual = new uint[64];
        stream.Download<uint>(actual, ranks.Span);
        Assert.Equal(Enumerable.Range(0, 64).Select(block => (uint)((size * 256) + (block % size))), actual);
        Assert.InRange(kernel.ActiveClusters(shape), 1, 10_000);
        Assert.InRange(kernel.BlocksPerMultiprocessor(shape), 1, 32);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Kernels_that_start_early_wait_for_what_they_read(bool startsEarly)
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        Assert.Equal(Expected(100), Run(context, module, "linear_step", 100, startsEarly));
    }

    [Fact]
    [Trait("Sanitizer", "no")] // compute-sanitizer runs one kernel at a time, whatever the launch says.
    public void Without_the_wait_an_early_start_is_seen()
    {
        // The test above would prove nothing if the launch attribute did not reach the GPU.
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        Assert.Equal(Expected(100), Run(context, module, "hasty_step", 100, startsEarly: false));
        Assert.NotEqual(Expected(100), Run(context, module, "hasty_step", 100, startsEarly: true));
    }

    [Fact]
    public void A_graph_does_what_was_captured_each_time_it_is_launched()
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        using var stream = new CudaStream(context);
        using var values = new DeviceMemory(context, Count * sizeof(uint));
        var kernel = module.GetKernel<StepArguments>("linear_step");
        void Steps(int count, uint offset, bool early)
        {
            for (int i = 0; i < count; i++)
            {
                kernel.Launch(
                    stream, Shape with { StartsEarly = early && i > 0 },
                    new StepArguments { Values = values.Span.Start, Count = Count, Factor = 3, Offset = offset });
            }
        }

        uint[] actual = new uint[Count];
        stream.Fill(values.Span, 0);
        using var graph = CudaGraph.Capture(context, stream, () => Steps(5, 7, true));
        stream.Download<uint>(actual, values.Span);
        Assert.Equal(-1, actual.AsSpan().IndexOfAnyExcept(0u)); // Capturing runs nothing.
        for (int i = 0; i < 4; i++)
        {
            graph.Launch(stream);
        }

        stream.Download<uint>(actual, values.Span);
        Assert.Equal(-1, actual.AsSpan().IndexOfAnyExcept(Iterate(20, 7)));

        Assert.True(graph.TryUpdate(stream, () => Steps(5, 11, true)));
        stream.Fill(values.Span, 0);
        graph.Launch(stream);
        stream.Download<uint>(actual, values.Span);
        Assert.Equal(-1, actual.AsSpan().IndexOfAnyExcept(Iterate(5, 11)));

        Assert.False(graph.TryUpdate(stream, () => Steps(6, 13, true)));
        stream.Fill(values.Span, 0);
        graph.Launch(stream);
        stream.Download<uint>(actual, values.Span);
        Assert.Equal(-1, actual.AsSpan().IndexOfAnyExcept(Iterate(5, 11)));
    }

    [Fact]
    public void A_capture_that_fails_leaves_a_stream_that_works()
    {
        var context = gpu.Require();
        using var stream = new CudaStream(context);
        using var memory = new DeviceMemory(context, 16);
        var e = Assert.Throws<InvalidOperationException>(
            () => CudaGraph.Capture(context, stream, () => throw new InvalidOperationException("inside")));
        Assert.Equal("inside", e.Message);
        stream.Fill(memory.Span, 1);
        stream.Synchronize();
    }

    [Fact]
    public void Launches_copies_and_graphs_allocate_nothing()
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        using var stream = new CudaStream(context);
        using var point = new CudaEvent(context);
        using var values = new DeviceMemory(context, Count * sizeof(uint));
        using var pinned = new PinnedMemory(context, Count * sizeof(uint));
        var kernel = module.GetKernel<StepArguments>("linear_step");
        void Step() => kernel.Launch(
            stream, Shape with { StartsEarly = true, Cluster = new Dim3(1) },
            new StepArguments { Values = values.Span.Start, Count = Count, Factor = 3, Offset = 7 });
        using var graph = CudaGraph.Capture(context, stream, Step);
        void Everything()
        {
            stream.Fill(values.Span, 0);
            stream.Copy(values.Span.Slice(0, 64), pinned.Span.Slice(0, 64));
            Step();
            graph.Launch(stream);
            stream.Copy(pinned.Span, values.Span);
            stream.Record(point);
            stream.WaitFor(point);
            point.Synchronize();
            pinned.View<uint>(0, Count)[0] = point.IsReached ? 1u : 0u;
        }

        Everything();
        long allocated = AllocatedBytes.Measure(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                Everything();
            }
        });
        output.WriteLine($"{allocated} bytes in 1,000 rounds");
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void A_launch_that_the_GPU_cannot_do_names_the_kernel_and_its_shape()
    {
        var context = gpu.Require();
        using var module = gpu.LoadTestKernel("launches.cu");
        using var stream = new CudaStream(context);
        var kernel = module.GetKernel<ClusterArguments>("cluster_ranks");
        var e = Assert.Throws<CudaException>(
            () => kernel.Launch(stream, new LaunchShape(new Dim3(1), new Dim3(4096)), default));
        Assert.Equal(("cuLaunchKernelEx", 1), (e.Call, e.Code));
        Assert.Contains("kernel cluster_ranks, LaunchShape", e.Message, StringComparison.Ordinal);
        stream.Synchronize();
    }

    // values[i] starts at i and becomes 3 * value + 7, many times.
    private static uint[] Run(CudaContext context, CudaModule module, string entry, int steps, bool startsEarly)
    {
        using var stream = new CudaStream(context);
        uint[] start = [.. Enumerable.Range(0, Count).Select(i => (uint)i)];
        using var values = DeviceMemory.Of<uint>(context, stream, start);
        var kernel = module.GetKernel<StepArguments>(entry);
        for (int i = 0; i < steps; i++)
        {
            kernel.Launch(
                stream, Shape with { StartsEarly = startsEarly },
                new StepArguments { Values = values.Span.Start, Count = Count, Factor = 3, Offset = 7, Spin = 20_000 });
        }

        uint[] actual = new uint[Count];
        stream.Download<uint>(actual, values.Span);
        return actual;
    }

    private static uint[] Expected(int steps)
    {
        uint[] values = [.. Enumerable.Range(0, Count).Select(i => (uint)i)];
        for (int i = 0; i < steps; i++)
        {
            for (int k = 0; k < Count; k++)
            {
                values[k] = (values[k] * 3) + 7;
            }
        }

        return values;
    }

    private static uint Iterate(int steps, uint offset)
    {
        uint value = 0;
        for (int i = 0; i < steps; i++)
        {
            value = (value * 3) + offset;
        }

        return value;
    }

    private struct ClusterArguments
    {
        public CUdeviceptr Ranks;
    }

    private struct StepArguments
    {
        public CUdeviceptr Values;
        public uint Count;
        public uint Factor;
        public uint Offset;
        public uint Spin;
    }
}
