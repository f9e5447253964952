using Grid.Cuda;
using Grid.Options;

namespace Grid.Silo.Devices;

/// <summary>Compiles the GPU kernels for an image, on a machine that need not have a GPU.</summary>
internal static class KernelPacking
{
    /// <summary>Compiles them and gives the process's exit code. Throws <see cref="StartException"/> where that cannot be.</summary>
    /// <param name="folder">Where they go.</param>
    /// <param name="output">Gets a line for each kernel.</param>
    public static int Run(string folder, TextWriter output)
    {
        try
        {
            CudaKernels.Build(folder, new Progress(output));
        }
        catch (CudaUnavailableException exception)
        {
            throw new StartException($"--build-kernels {folder}: {exception.Reason}");
        }
        catch (Exception exception) when (exception is CudaException or KernelBuildException or IOException or UnauthorizedAccessException)
        {
            throw new StartException($"--build-kernels {folder}: {exception.Message}");
        }

        output.WriteLine($"Done: as the folder kernels beside Grid.Silo.dll, the files of {folder} are all that a GPU needs but its driver");
        return 0;
    }

    private sealed class Progress(TextWriter output) : IProgress<KernelBuildProgress>
    {
        public void Report(KernelBuildProgress value)
        {
            output.WriteLine($"Kernels {value.Done} of {value.Total}");
            output.Flush();
        }
    }
}
