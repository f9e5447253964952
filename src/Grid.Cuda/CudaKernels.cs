using Grid.Cuda.Build;
using Grid.Cuda.Operations;

namespace Grid.Cuda;

/// <summary>The kernels of all operations, apart from any GPU.</summary>
public static class CudaKernels
{
    /// <summary>Compiles them into a folder, which needs NVRTC and neither GPU nor driver. As the folder kernels beside a program, they are
    /// what its GPUs use, without a compiler.</summary>
    /// <param name="folder">Made where there is none.</param>
    /// <param name="progress">Told after each of them, from any thread, one at a time.</param>
    /// <exception cref="CudaUnavailableException">There is no NVRTC on this machine.</exception>
    /// <exception cref="CudaException">NVRTC failed.</exception>
    /// <exception cref="KernelBuildException">A kernel does not compile, or must not be used.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Build(string folder, IProgress<KernelBuildProgress>? progress = null)
    {
        var compiler = NvrtcCompiler.Load(driver: null);
        PrebuiltKernels.Make(folder, compiler, compiler.Version, KernelLibrary.Sources, progress);
    }
}
