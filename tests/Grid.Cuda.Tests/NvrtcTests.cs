using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.RmsNorm;
using Grid.Cuda.Operations;

namespace Grid.Cuda.Tests;

/// <summary>The real compiler: what it builds, what is refused of it, and the cache with real machine code.</summary>
[Collection(GpuCollection.Name)]
public sealed class NvrtcTests(GpuFixture gpu, ITestOutputHelper output)
{
    [Theory]
    [InlineData("SPILLS", "must keep everything in registers and needs ")]
    [InlineData("INDEXED", "must keep everything in registers and needs ")]
    [InlineData("HASTY", "reads registers of a wgmma in flight")]
    [InlineData("CALLS", "has its wgmma instructions serialised")]
    [InlineData("CROWDED", "has its wgmma instructions serialised")]
    public void What_the_compiler_only_remarks_on_is_refused(string definition, string reason)
    {
        var compiler = gpu.RequireCompiler();
        var source = Refused(definition);
        output.WriteLine(compiler.Compile(source).Log);

        // The second compilation of the same text: NVRTC's own cache would give its code again without the remarks.
        var e = Assert.Throws<KernelBuildException>(() => new KernelBuilder(compiler, gpu.Cache).Build([source]));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Null(gpu.Cache.Read(source.Name, CubinKey.Of(compiler, source), out _));
    }

    [Theory]
    [InlineData("SPILLS")]
    [InlineData("INDEXED")]
    public void Local_memory_is_refused_again_when_the_kernel_is_loaded(string definition)
    {
        // Whatever the compiler's words: the driver knows.
        var context = gpu.Require();
        byte[] cubin = gpu.RequireCompiler().Compile(Refused(definition)).Cubin;
        using var module = new CudaModule(context, "refused", cubin);
        var e = Assert.Throws<KernelBuildException>(() => module.GetKernel<RefusedArguments>("refused"));
        Assert.Matches("^Kernel refused uses [0-9]+ bytes of local memory a thread; kernels must keep everything in registers\\.$", e.Message);
    }

    [Fact]
    public void An_error_in_a_text_is_told_with_its_place()
    {
        var e = Assert.Throws<KernelBuildException>(
            () => new KernelBuilder(gpu.RequireCompiler(), gpu.Cache).Build([Refused("BROKEN")]));
        Assert.Contains("Kernel refused-BROKEN does not compile.", e.Message, StringComparison.Ordinal);
        Assert.Matches("refused-BROKEN\\.cu\\([0-9]+\\): error: identifier \"no_such_name\" is undefined", e.Message);
    }

    [Fact]
    public void A_parameter_of_another_size_or_number_is_refused()
    {
        using var module = gpu.Load(Refused("FINE"));
        Assert.Equal(0, module.GetKernel<RefusedArguments>("refused").LocalBytes);
        var size = Assert.Throws<KernelBuildException>(() => module.GetKernel<long>("refused"));
        Assert.Equal("Kernel refused takes a structure of 16 bytes, and Int64 has 8.", size.Message);
        var number = Assert.Throws<KernelBuildException>(() => module.GetKernel<RefusedArguments>("two_parameters"));
        Assert.Equal("Kernel two_parameters takes more than one parameter; kernels take one structure.", number.Message);
        var name = Assert.Throws<CudaException>(() => module.GetKernel<long>("absent"));
        Assert.Equal(("cuModuleGetFunction", "CUDA_ERROR_NOT_FOUND"), (name.Call, name.Name));
        Assert.Contains("kernel absent of module refused-FINE", name.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cubin_that_is_none_is_refused_by_the_driver()
    {
        var context = gpu.Require();
        var e = Assert.Throws<CudaException>(() => new CudaModule(context, "noise", new byte[4096]));
        Assert.Equal("cuModuleLoadData", e.Call);
        Assert.Contains("module noise, 4096 bytes", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_kernels_build_cold_and_warm_and_mend_a_damaged_cache()
    {
        var compiler = gpu.RequireCompiler();
        CubinCache cache = new(Path.Combine(gpu.Cache.Folder!, "all"));
        var sources = KernelLibrary.Sources;
        var cold = new KernelBuilder(compiler, cache).Build(sources);
        output.WriteLine($"{compiler.Identity}; {string.Join(' ', compiler.Options)}");
        Assert.All(cold.Kernels, kernel => Assert.Null(kernel.CacheProblem));
        compiler = NvrtcCompiler.Load(gpu.Require().DriverVersion);
        var warm = new KernelBuilder(compiler, cache).Build(sources);
        Assert.All(warm.Kernels, kernel => Assert.True(kernel.FromCache));

        string file = cache.FileOf("RmsNorm", CubinKey.Of(compiler, RmsNormKernel.Source));
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 4;
        File.WriteAllBytes(file, bytes);
        var mended = new KernelBuilder(compiler, cache).Build(sources);
        Assert.True(mended["RmsNorm"].WasDamaged);
        Assert.True(mended["Embed"].FromCache);
        Assert.Equal(cold["RmsNorm"].Cubin, mended["RmsNorm"].Cubin);
        using var module = new CudaModule(gpu.Require(), "RmsNorm", mended["RmsNorm"].Cubin);
        _ = new RmsNormKernel(module);
    }

    private static KernelSource Refused(string definition) =>
        KernelSource.FromText($"refused-{definition}", TestResource.Read("refused.cu"), definition);

#pragma warning disable CS0649 // Only its size counts.
    private struct RefusedArguments
    {
        public CUdeviceptr Values;
        public uint Count;
        public uint Unused;
    }
#pragma warning restore CS0649
}
