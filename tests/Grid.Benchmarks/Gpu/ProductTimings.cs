using System.Globalization;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.PackWeights;
using Grid.Cuda.Kernels.Product;

namespace Grid.Benchmarks.Gpu;

/// <summary>
/// Products at the sizes of Qwen3-8B. Graphs of launches over rotating copies of random weights, so that they come from
/// memory; medians of replays.
/// </summary>
internal sealed class ProductTimings(GpuKernels gpu)
{
    private const double PlainReadTerabytes = 3.07;

    public void Run()
    {
        Run("qkv", 6144, 4096, ProductEpilogue.Store);
        Run("o", 4096, 4096, ProductEpilogue.Add);
        Run("gate_up", 12288, 4096, ProductEpilogue.GatedSilu);
        Run("down", 4096, 12288, ProductEpilogue.Add);
        Run("lm_head", 151936, 4096, ProductEpilogue.Raw);
    }

    private void Run(string name, int outputs, int width, ProductEpilogue epilogue)
    {
        int[] counts = epilogue == ProductEpilogue.Raw ? [1, 8, 64, 256] : [1, 8, 16, 32, 64, 128, 256, 512, 2048, 8192];
        var context = gpu.Context;
        using var stream = new CudaStream(context);
        CudaModule[] modules = [.. gpu.LoadAll(ProductKernel.Sources)];
        var kernel = new ProductKernel(modules, context.Device);
        long bytes = (long)outputs * width * sizeof(ushort) * (epilogue == ProductEpilogue.GatedSilu ? 2 : 1);
        int copies = Math.Max(2, (int)(300_000_000 / bytes) + 1);
        DeviceMemory[] weights = [.. Enumerable.Range(0, copies).Select(_ => Noise(context, stream, bytes + PackedLayout.ReadAheadBytes))];
        using var input = Noise(context, stream, (long)counts[^1] * width * sizeof(ushort));
        using var output = Noise(context, stream, (long)counts[^1] * outputs * sizeof(float));
        foreach (int tokens in counts)
        {
            int launches = tokens > 256 ? 4 : 40;
            double[] microseconds = [.. ((bool[])[false, true]).Select(startsEarly => GraphTimer.Median(context, stream, launches, i => kernel.Launch(
                stream,
                new ProductOperands
                {
                    Weights = weights[i % copies].Span,
                    Input = input.Span,
                    Residual = epilogue == ProductEpilogue.Add ? output.Span : default,
                    Output = output.Span,
                    Tokens = tokens,
                    Width = width,
                    Outputs = outputs,
                    Epilogue = epilogue,
                },
                startsEarly)))];
            double best = microseconds.Min();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name} M={tokens}: {microseconds[0]:F1} us, started early {microseconds[1]:F1} us; weights {bytes / best / 1e6:F2} TB/s (at {PlainReadTerabytes}: {bytes / PlainReadTerabytes / 1e6:F1} us), {tokens * (double)bytes / best / 1e6:F0} TFLOP/s"));
        }

        Array.ForEach(weights, memory => memory.Dispose());
        Array.ForEach(modules, module => module.Dispose());
    }

    // Finite bf16 of both signs with exponents -9 to -2: zeros would draw less power and run faster.
    internal static DeviceMemory Noise(CudaContext context, CudaStream stream, long bytes)
    {
        const int Part = 1 << 24;
        var random = new Random(1);
        var memory = new DeviceMemory(context, bytes);
        byte[] raw = new byte[(int)Math.Min(bytes, Part)];
        random.NextBytes(raw);
        for (int i = 1; i < raw.Length; i += 2)
        {
            int exponent = 118 + (raw[i] & 7);
            raw[i] = (byte)((raw[i] & 0x80) | (exponent >> 1));
            raw[i - 1] = (byte)((raw[i - 1] & 0x7F) | ((exponent & 1) << 7));
        }

        for (long done = 0; done < bytes; done += Part)
        {
            int now = (int)Math.Min(Part, bytes - done);
            stream.Upload<byte>(memory.Span.Slice(done, now), raw.AsSpan(0, now));
        }

        return memory;
    }
}
