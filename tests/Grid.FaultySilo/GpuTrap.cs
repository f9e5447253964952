using System.Globalization;
using Grid.Cuda;
using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.FaultySilo;

/// <summary>A real fault of a GPU: a kernel that traps. The driver gives up the context of this process on that GPU, and every later
/// call into it fails.</summary>
internal static class GpuTrap
{
    private const string Text = """
        // Traps: the fault itself is all that is wanted of it.
        struct TrapArguments { int unused; };
        extern "C" __global__ void spring(const __grid_constant__ TrapArguments arguments) { asm volatile("trap;"); }
        """;

    /// <summary>Runs it on "cuda:N" and waits for the fault. The GPU's context is the one that the engine has: a process has one.</summary>
    public static void Spring(string device)
    {
        const string Prefix = "cuda:";
        int ordinal = device.StartsWith(Prefix, StringComparison.Ordinal)
            ? int.Parse(device.AsSpan(Prefix.Length), CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"{device} is no GPU, and cannot trap.");
        var context = CudaContext.Open(ordinal);
        var source = KernelSource.FromText("trap", Text);
        var module = new CudaModule(context, source.Name, NvrtcCompiler.Load(context.DriverVersion).Compile(source).Cubin);
        var stream = new CudaStream(context);
        module.GetKernel<TrapArguments>("spring").Launch(stream, new LaunchShape(new Dim3(1), new Dim3(1)), default);
        try
        {
            stream.Synchronize();
        }
        catch (CudaException)
        {
            // As meant. Nothing of the context can be freed any more.
        }
    }

    private readonly record struct TrapArguments(int Unused);
}
