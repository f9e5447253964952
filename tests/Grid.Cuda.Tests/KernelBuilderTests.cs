using System.Text;
using Grid.Cuda.Build;
using Grid.Cuda.Kernels.RmsNorm;

namespace Grid.Cuda.Tests;

public sealed class KernelBuilderTests : IDisposable
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"grid-build-{Guid.NewGuid():N}");

    [Fact]
    public void A_second_start_compiles_nothing()
    {
        KernelSource[] sources = [.. Enumerable.Range(0, 5).Select(i => KernelSource.FromText($"k{i}", $"text {i}"))];
        var first = new FakeCompiler();
        var cold = new KernelBuilder(first, new CubinCache(folder)).Build(sources);
        Assert.Equal(5, first.Compilations);
        var second = new FakeCompiler();
        var warm = new KernelBuilder(second, new CubinCache(folder)).Build(sources);
        Assert.Equal(0, second.Compilations);
        for (int i = 0; i < 5; i++)
        {
            Assert.False(cold[$"k{i}"].FromCache);
            Assert.True(warm[$"k{i}"].FromCache);
            Assert.Equal($"text {i}", Encoding.UTF8.GetString(warm[$"k{i}"].Cubin));
        }
    }

    [Fact]
    public void Whatever_decides_the_code_decides_the_key()
    {
        var source = KernelSource.FromText("k", "int x;", "A=1");
        (IKernelCompiler Compiler, KernelSource Source)[] others =
        [
            (new FakeCompiler { Identity = "fake 1.1" }, source),
            (new FakeCompiler { Options = ["--fmad=true"] }, source),
            (new FakeCompiler { Options = ["--fmad=false", "-G"] }, source),
            (new FakeCompiler(), KernelSource.FromText("k", "int y;", "A=1")),
            (new FakeCompiler(), KernelSource.FromText("k", "int x;", "A=2")),
            (new FakeCompiler(), KernelSource.FromText("k", "int x;", "A=1", "B=1")),
            (new FakeCompiler(), KernelSource.FromText("k", "int x;")),
            (new FakeCompiler(), KernelSource.FromText("k", "#include \"numerics.cuh\"\nint x;", "A=1")),
            (new FakeCompiler { Options = [] }, KernelSource.FromText("k", "int x;", "--fmad=false", "A=1")),
        ];
        string key = CubinKey.Of(new FakeCompiler(), source);
        Assert.Equal(key, CubinKey.Of(new FakeCompiler(), KernelSource.FromText("k", "int x;", "A=1")));
        IEnumerable<string> keys = [key, .. others.Select(other => CubinKey.Of(other.Compiler, other.Source))];
        Assert.Equal(others.Length + 1, keys.Distinct().Count());
    }

    [Fact]
    public void Included_texts_are_found_through_each_other_and_belong_to_the_key()
    {
        Assert.Equal(["launch.cuh", "numerics.cuh", "row_reduction.cuh"], RmsNormKernel.Source.Headers.Select(header => header.Name));
        var through = KernelSource.FromText("k", "#include \"row_reduction.cuh\"");
        Assert.Equal(["numerics.cuh", "row_reduction.cuh"], through.Headers.Select(header => header.Name));
        Assert.Contains("grid_exp2", through.Headers[0].Text, StringComparison.Ordinal);
        var e = Assert.Throws<KernelBuildException>(() => KernelSource.FromText("k", "\n #include <cuda_fp16.h>\n"));
        Assert.Contains("Kernel k includes \"cuda_fp16.h\", which is none of the shared texts (", e.Message, StringComparison.Ordinal);
        Assert.Contains("launch.cuh, mma.cuh, numerics.cuh", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_file_is_built_again_and_mended()
    {
        var source = KernelSource.FromText("k", "text");
        var compiler = new FakeCompiler();
        var cache = new CubinCache(folder);
        new KernelBuilder(compiler, cache).Build([source]);
        string path = cache.FileOf("k", CubinKey.Of(compiler, source));
        byte[] file = File.ReadAllBytes(path);
        file[^1] ^= 1;
        File.WriteAllBytes(path, file);
        var built = new KernelBuilder(compiler, cache).Build([source])["k"];
        Assert.True(built.WasDamaged);
        Assert.False(built.FromCache);
        Assert.Equal("text", Encoding.UTF8.GetString(built.Cubin));
        Assert.Equal(2, compiler.Compilations);
        Assert.True(new KernelBuilder(compiler, cache).Build([source])["k"].FromCache);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_only_the_next_start()
    {
        // A file where the folder should be: also for root, whom permissions do not stop.
        File.WriteAllText(folder, "in the way");
        var told = new List<KernelBuildProgress>();
        var built = new KernelBuilder(new FakeCompiler(), new CubinCache(folder)).Build([KernelSource.FromText("k", "text")], progress: new Told(told))["k"];
        Assert.Equal("text", Encoding.UTF8.GetString(built.Cubin));
        Assert.NotNull(built.CacheProblem);
        Assert.False(built.FromCache);
        Assert.Equal([new KernelBuildProgress(1, 1, 1, built.CacheProblem)], told);
    }

    [Fact]
    public void Without_a_folder_kernels_are_built_at_each_start_and_the_reason_is_told()
    {
        var compiler = new FakeCompiler();
        for (int start = 1; start <= 2; start++)
        {
            var built = new KernelBuilder(compiler, new CubinCache(null)).Build([KernelSource.FromText("k", "text")])["k"];
            Assert.Equal(start, compiler.Compilations);
            Assert.Contains("neither XDG_CACHE_HOME nor HOME", built.CacheProblem, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Progress_counts_what_is_done_and_what_was_compiled()
    {
        KernelSource[] sources = [.. Enumerable.Range(0, 8).Select(i => KernelSource.FromText($"k{i}", $"text {i}"))];
        new KernelBuilder(new FakeCompiler(), new CubinCache(folder)).Build(sources[..3]);
        var told = new List<KernelBuildProgress>();
        new KernelBuilder(new FakeCompiler(), new CubinCache(folder)).Build(sources, progress: new Told(told));
        Assert.Equal(Enumerable.Range(1, 8), told.Select(one => one.Done));
        Assert.Equal(new KernelBuildProgress(8, 8, 5), told[^1]);
    }

    [Fact]
    public void A_compiler_that_fails_itself_is_told_as_it_says()
    {
        var compiler = new FakeCompiler { Fail = source => source.Name == "k1" ? new InvalidOperationException("out of order") : null };
        var builder = new KernelBuilder(compiler, new CubinCache(folder));
        var e = Assert.Throws<InvalidOperationException>(() => builder.Build([KernelSource.FromText("k0", "0"), KernelSource.FromText("k1", "1")]));
        Assert.Equal("out of order", e.Message);
    }

    [Theory]
    [InlineData("ptxas info    : Function properties for k\n    8 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads", "must keep everything in registers and needs 8 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads")]
    [InlineData("    256 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", "must keep everything in registers and needs 256 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")]
    [InlineData("    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n    0 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads", "must keep everything in registers and needs 0 bytes stack frame, 0 bytes spill stores, 4 bytes spill loads")]
    [InlineData("ptxas info    : (C7517) warpgroup.wait is injected in around line 70 by compiler to allow use of registers defined by GMMA in function 'k'", "reads registers of a wgmma in flight, so that the compiler makes it wait")]
    [InlineData("ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to insufficient register resources for the wgmma pipeline in the function 'k'", "has its wgmma instructions serialised")]
    [InlineData("ptxas warning : (C7508) 'setmaxnreg' ignored to maintain minimum register requirement", "has its setmaxnreg ignored")]
    public void Remarks_that_cost_speed_are_refused_and_not_kept(string log, string reason)
    {
        var builder = new KernelBuilder(new FakeCompiler { Log = log }, new CubinCache(folder));
        for (int i = 0; i < 2; i++)
        {
            var e = Assert.Throws<KernelBuildException>(() => builder.Build([KernelSource.FromText("k", "text")]));
            Assert.Equal($"Kernel k {reason}.{Environment.NewLine}{log.Trim()}", e.Message);
        }

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public void Other_remarks_are_no_reason_to_refuse()
    {
        var compiler = new FakeCompiler
        {
            Log = """
                k.cu(3): warning #177-D: variable "x" was declared but never referenced
                ptxas info    : (C7519) warpgroup.arrive is injected in around line 65 by compiler to allow use of registers in GMMA in function 'k'
                ptxas info    : Function properties for k
                    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
                ptxas info    : Used 32 registers, used 1 barriers, 512 bytes smem
                """,
        };
        Assert.Single(new KernelBuilder(compiler, new CubinCache(folder)).Build([KernelSource.FromText("k", "text")]).Kernels);
    }

    [Fact]
    public void Kernels_are_compiled_at_once()
    {
        var compiler = new FakeCompiler { Together = 3 };
        KernelSource[] sources = [.. Enumerable.Range(0, 3).Select(i => KernelSource.FromText($"k{i}", "text"))];
        Assert.Equal(3, new KernelBuilder(compiler, new CubinCache(folder)).Build(sources, maxParallel: 3).Kernels.Count);
    }

    [Fact]
    public void Of_several_failures_the_first_in_order_is_told()
    {
        var compiler = new FakeCompiler { Fail = source => source.Name is "k1" or "k3" ? new KernelBuildException(source.Name, "does not compile") : null };
        KernelSource[] sources = [.. Enumerable.Range(0, 4).Select(i => KernelSource.FromText($"k{i}", "text"))];
        var e = Assert.Throws<KernelBuildException>(() => new KernelBuilder(compiler, new CubinCache(folder)).Build(sources));
        Assert.Equal("k1", e.Kernel);
        Assert.Throws<ArgumentException>(() => new KernelBuilder(compiler, new CubinCache(folder)).Build([sources[0], sources[0]]));
        Assert.Throws<ArgumentException>(() => KernelSource.FromText("../k", "text"));
    }

    public void Dispose()
    {
        if (File.Exists(folder))
        {
            File.Delete(folder);
        }

        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed class Told(List<KernelBuildProgress> told) : IProgress<KernelBuildProgress>
    {
        public void Report(KernelBuildProgress value) => told.Add(value);
    }
}
