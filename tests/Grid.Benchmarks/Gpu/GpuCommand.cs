using Grid.Cuda;

namespace Grid.Benchmarks.Gpu;

/// <summary>"gpu": what kernels and whole steps take on GPU 0.</summary>
internal static class GpuCommand
{
    private static readonly (string Name, Action Run)[] s_timings =
    [
        ("opening", StepTimings.RunOpening),
        ("products", () => OnKernels(gpu => new ProductTimings(gpu).Run())),
        ("experts", () => OnKernels(gpu => new ExpertTimings(gpu).Run())),
        ("sampling", () => OnKernels(gpu => new SamplingTimings(gpu).Run())),
        ("small", () => OnKernels(gpu => new SmallKernelTimings(gpu).Run())),
        ("steps", StepTimings.RunSteps),
        ("launching", StepTimings.RunLaunching),
    ];

    /// <summary>Runs those that are named, or all.</summary>
    public static int Run(string[] names)
    {
        if (names.FirstOrDefault(name => !s_timings.Any(timing => timing.Name == name)) is { } unknown)
        {
            Console.Error.WriteLine($"'{unknown}' is no timing of the GPU; there are {string.Join(", ", s_timings.Select(timing => timing.Name))}.");
            return 2;
        }

        try
        {
            foreach ((string name, var run) in s_timings)
            {
                if (names.Length == 0 || names.Contains(name))
                {
                    run();
                }
            }

            return 0;
        }
        catch (CudaUnavailableException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    private static void OnKernels(Action<GpuKernels> run)
    {
        using var gpu = new GpuKernels();
        run(gpu);
    }
}
