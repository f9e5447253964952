using Grid.Cuda.Driver;

namespace Grid.Cuda.Tests;

[Collection(GpuCollection.Name)]
public sealed class MemoryTests(GpuFixture gpu, ITestOutputHelper output)
{
    [Fact]
    public void A_device_describes_itself()
    {
        var context = gpu.Require();
        var device = context.Device;
        output.WriteLine($"{device}, driver CUDA {context.DriverVersion}, {gpu.RequireCompiler().Identity}");
        Assert.Equal(device, CudaDevice.List()[0]);
        Assert.Equal((9, 0), (device.ComputeMajor, device.ComputeMinor));
        Assert.Contains("NVIDIA", device.Name, StringComparison.Ordinal);
        Assert.StartsWith("GPU-", device.Uuid, StringComparison.Ordinal);
        Assert.InRange(device.Multiprocessors, 60, 256);
        Assert.Equal(227 * 1024, device.SharedBytesPerBlock);
        Assert.Equal(228 * 1024, device.SharedBytesPerMultiprocessor);
        (long free, long total) = context.MemoryInfo();
        Assert.InRange(free, 1L << 30, total);
        Assert.InRange(total, device.MemoryBytes * 9 / 10, device.MemoryBytes);
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_refused()
    {
        gpu.Require();
        int count = CudaDevice.List().Count;
        foreach (int ordinal in (int[])[-1, count])
        {
            var e = Assert.Throws<CudaUnavailableException>(() => CudaContext.Open(ordinal));
            Assert.Equal($"CUDA cannot be used: there is no GPU {ordinal}; this process sees {count}, numbered from 0.", e.Message);
        }
    }

    [Fact]
    public void Bytes_come_back_as_they_went()
    {
        var context = gpu.Require();
        using var stream = new CudaStream(context);
        byte[] bytes = new byte[10_000_019];
        new Random(7).NextBytes(bytes);
        using var first = DeviceMemory.Of<byte>(context, stream, bytes);
        using var second = new DeviceMemory(context, bytes.Length);
        using var pinned = new PinnedMemory(context, bytes.Length);
        stream.Copy(second.Span, first.Span);
        stream.Fill(first.Span, 0xA5);
        stream.Fill(second.Span.Slice(100, 7), 0);
        stream.Copy(pinned.Span, second.Span);
        stream.Synchronize();
        Assert.True(stream.IsIdle);
        bytes.AsSpan(100, 7).Clear();
        Assert.True(pinned.View<byte>(0, bytes.Length).SequenceEqual(bytes));

        pinned.View<byte>(0, bytes.Length).Reverse();
        stream.Copy(second.Span, pinned.Span);
        byte[] back = new byte[bytes.Length];
        stream.Download<byte>(back, second.Span);
        Array.Reverse(bytes);
        Assert.True(back.AsSpan().SequenceEqual(bytes));
        stream.Download<byte>(back, first.Span);
        Assert.Equal(-1, back.AsSpan().IndexOfAnyExcept((byte)0xA5));
    }

    [Fact]
    public void A_range_beyond_its_memory_is_refused_before_the_driver_sees_it()
    {
        var context = gpu.Require();
        using var stream = new CudaStream(context);
        using var memory = new DeviceMemory(context, 100);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span.Slice(96, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span.Slice(-1, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Span.Slice(101, 0));
        Assert.Throws<ArgumentException>(() => stream.Upload<byte>(memory.Span, new byte[99]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DeviceMemory(context, 0));
        DeviceMemory gone = new(context, 100);
        gone.Dispose();
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => gone.Span);
    }

    [Fact]
    public void Asking_for_more_memory_than_there_is_names_call_code_and_amounts()
    {
        var context = gpu.Require();
        var e = Assert.Throws<CudaException>(() => new DeviceMemory(context, 1L << 42));
        Assert.Equal(("cuMemAlloc_v2", 2, "CUDA_ERROR_OUT_OF_MEMORY"), (e.Call, e.Code, e.Name));
        Assert.Matches(
            "^cuMemAlloc_v2 failed with CUDA_ERROR_OUT_OF_MEMORY \\(2\\): out of memory; asked for 4398046511104 bytes, [0-9]+ of [0-9]+ are free\\.$",
            e.Message);
    }

    [Fact]
    public void Freed_memory_is_free_again()
    {
        var context = gpu.Require();
        const long Bytes = 1L << 30;
        (long before, _) = context.MemoryInfo();
        using (new DeviceMemory(context, Bytes))
        {
            Assert.True(context.MemoryInfo().Free <= before - Bytes);
        }

        Assert.True(context.MemoryInfo().Free > before - Bytes);
    }

    [Fact]
    public void A_stream_waits_for_the_events_of_another()
    {
        var context = gpu.Require();
        using var first = new CudaStream(context);
        using var second = new CudaStream(context);
        using var started = new CudaEvent(context, timed: true);
        using var written = new CudaEvent(context, timed: true);
        const int Bytes = 256 << 20;
        using var memory = new DeviceMemory(context, Bytes);
        using var copy = new DeviceMemory(context, Bytes);
        first.Fill(memory.Span, 0);
        first.Record(started);
        for (byte value = 1; value <= 50; value++)
        {
            first.Fill(memory.Span, value);
        }

        first.Record(written);
        second.WaitFor(written);
        second.Copy(copy.Span, memory.Span);
        byte[] back = new byte[Bytes];
        second.Download<byte>(back, copy.Span);
        Assert.Equal(-1, back.AsSpan().IndexOfAnyExcept((byte)50));
        Assert.True(written.IsReached);
        written.Synchronize();
        Assert.InRange(written.MillisecondsSince(started), 0.1f, 10_000f);
        context.Synchronize();
    }
}
