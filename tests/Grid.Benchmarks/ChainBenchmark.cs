using System.Diagnostics;
using System.Runtime.Intrinsics;
using Grid.Cpu;
using Grid.Cpu.Chains;
using Grid.Numerics;

namespace Grid.Benchmarks;

/// <summary>Multiply-adds a second of one core: Dot16 chains in every form, beside a plain fp32 FMA kernel.</summary>
internal static unsafe class ChainBenchmark
{
    private const int K = 4096;
    private const int Tiles = 4;

    public static void Run()
    {
        Console.WriteLine($"Dot16 chains, one core, weights in cache (K {K}, {Tiles * 16} columns), random data");
        var random = new Random(1);
        ushort[] w = [.. Enumerable.Range(0, Tiles * K * 16).Select(_ => Bf16.FromSingle((random.NextSingle() - 0.5f) * 0.1f))];
        ushort[] x = [.. Enumerable.Range(0, ChainKernel.MaxRows * K).Select(_ => Bf16.FromSingle((random.NextSingle() - 0.5f) * 4f))];
        float[] wide = [.. x.Select(Bf16.ToSingle)];
        ushort[] exponents = [.. x.Select(v => (ushort)(v & 0x7F80))];
        float[] wWide = [.. w.Select(Bf16.ToSingle)];
        float[] acc = new float[ChainKernel.MaxRows * 16];
        fixed (ushort* pw = w, pe = exponents)
        fixed (float* px = wide, pa = acc, pww = wWide)
        {
            foreach (int rows in (int[])[1, 8])
            {
                ushort* cw = pw, ce = pe;
                float* cx = px, ca = pa, cww = pww;
                double fma = Measure(rows, () =>
                {
                    for (int t = 0; t < Tiles; t++)
                    {
                        PlainFma(cww + ((nint)t * K * 16), cx, rows, ca);
                    }
                });
                Console.WriteLine($"  rows {rows}: fp32 FMA kernel           {fma,7:F2} GMAC/s (peer: plain fp32 weights, 8 accumulators a column tile)");
                foreach (var form in (CpuInstructionSet[])[CpuInstructionSet.Avx512, CpuInstructionSet.Avx2, CpuInstructionSet.Portable])
                {
                    if (!CpuOptions.IsSupported(form))
                    {
                        Console.WriteLine($"  rows {rows}: {form,-10} not on this processor");
                        continue;
                    }

                    var kernel = ChainKernel.Create(form);
                    double rate = Measure(rows, () =>
                    {
                        new Span<float>(ca, ChainKernel.MaxRows * 16).Clear();
                        for (int t = 0; t < Tiles; t += 2)
                        {
                            ushort* one = cw + ((nint)t * K * 16), two = one + (K * 16);
                            if (rows == 1)
                            {
                                kernel.RunTwoTiles(one, two, K / 16, cx, ce, ca, ca + 16); // as products do
                                continue;
                            }

                            kernel.Run(one, K / 16, cx, ce, K, rows, ca, 16);
                            kernel.Run(two, K / 16, cx, ce, K, rows, ca, 16);
                        }
                    });
                    Console.WriteLine($"  rows {rows}: Dot16 {form,-10}          {rate,7:F2} GMAC/s, {rate / fma:P0} of the fp32 FMA kernel");
                }
            }
        }
    }

    private static double Measure(int rows, Action body)
    {
        body();
        double best = 0;
        for (int trial = 0; trial < 5; trial++)
        {
            long start = Stopwatch.GetTimestamp();
            int runs = 0;
            do
            {
                body();
                runs++;
            }
            while (Stopwatch.GetElapsedTime(start).TotalMilliseconds < 150);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            best = Math.Max(best, (double)runs * Tiles * K * 16 * rows / seconds / 1e9);
        }

        return best;
    }

    private static void PlainFma(float* w, float* x, int rows, float* acc)
    {
        for (int r = 0; r < rows; r++)
        {
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, d = a, e = a, f = a, g = a, h = a;
            float* xs = x + (r * K);
            for (int k = 0; k < K; k += 8)
            {
                float* p = w + (k * 16);
                a = Vector512.FusedMultiplyAdd(Vector512.Load(p), Vector512.Create(xs[k]), a);
                b = Vector512.FusedMultiplyAdd(Vector512.Load(p + 16), Vector512.Create(xs[k + 1]), b);
                c = Vector512.FusedMultiplyAdd(Vector512.Load(p + 32), Vector512.Create(xs[k + 2]), c);
                d = Vector512.FusedMultiplyAdd(Vector512.Load(p + 48), Vector512.Create(xs[k + 3]), d);
                e = Vector512.FusedMultiplyAdd(Vector512.Load(p + 64), Vector512.Create(xs[k + 4]), e);
                f = Vector512.FusedMultiplyAdd(Vector512.Load(p + 80), Vector512.Create(xs[k + 5]), f);
                g = Vector512.FusedMultiplyAdd(Vector512.Load(p + 96), Vector512.Create(xs[k + 6]), g);
                h = Vector512.FusedMultiplyAdd(Vector512.Load(p + 112), Vector512.Create(xs[k + 7]), h);
            }

            (((a + b) + (c + d)) + ((e + f) + (g + h))).Store(acc + (r * 16));
        }
    }
}
