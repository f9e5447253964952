using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.RmsNorm;
using Grid.Cuda.Operations;

namespace Grid.Cuda.Tests;

/// <summary>What is said in a kernel's text of where the launcher's structure has its fields.</summary>
public sealed partial class KernelLayoutTests
{
    [Theory]
    [InlineData("Rows", "rows")]
    [InlineData("PageTableStride", "page_table_stride")]
    [InlineData("TopK", "top_k")]
    [InlineData("Key0", "key0")]
    [InlineData("C", "c")]
    [InlineData("KVHeads", "kv_heads")]
    [InlineData("TMAMap", "tma_map")]
    public void A_field_s_name_in_the_text_follows_from_its_own(string name, string expected) => Assert.Equal(expected, KernelLayout.SnakeCase(name));

    [Fact]
    public void Every_field_that_someone_reads_is_placed_by_name()
    {
        const string Expected = """
            static_assert(sizeof(SampleArguments) == 192, "the launcher's KernelLayoutTests.Sample has 192 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->tensor_map)) == 0 && sizeof(((SampleArguments*)0)->tensor_map) == 128, "the launcher's KernelLayoutTests.Sample has TensorMap at byte 0, of 128 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->tiles)) == 128 && sizeof(((SampleArguments*)0)->tiles) == 8, "the launcher's KernelLayoutTests.Sample has Tiles at byte 128, of 8 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->results.bias)) == 136 && sizeof(((SampleArguments*)0)->results.bias) == 8, "the launcher's KernelLayoutTests.Sample has Bias at byte 136, of 8 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->wide)) == 144 && sizeof(((SampleArguments*)0)->wide) == 1, "the launcher's KernelLayoutTests.Sample has Wide at byte 144, of 1 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->lists)) == 148 && sizeof(((SampleArguments*)0)->lists) == 12, "the launcher's KernelLayoutTests.Sample has Lists at byte 148, of 12 bytes");
            static_assert(__INTADDR__(&(((SampleArguments*)0)->epsilon)) == 160 && sizeof(((SampleArguments*)0)->epsilon) == 4, "the launcher's KernelLayoutTests.Sample has Epsilon at byte 160, of 4 bytes");

            """;
        Assert.Equal(Expected, KernelLayout.Assertions("SampleArguments", typeof(Sample)), ignoreLineEndingDifferences: true);
    }

    [Fact]
    public void Every_kernel_s_parameter_is_placed_and_its_text_knows_every_name()
    {
        foreach (var source in KernelLibrary.Sources)
        {
            string[] structures = [.. ParameterPattern().Matches(source.Text).Select(match => match.Groups[1].Value).Distinct()];
            Assert.NotEmpty(structures);
            Assert.All(structures, structure => Assert.Contains($"static_assert(sizeof({structure}) == ", source.Text, StringComparison.Ordinal));
            string[] lines = source.Text.Split('\n');
            string own = string.Join('\n', [.. lines.Where(line => !line.Contains("__INTADDR__", StringComparison.Ordinal)), .. source.Headers.Select(header => header.Text)]);
            var members = MemberPattern().Matches(source.Text);
            Assert.True(members.Count >= structures.Length, source.Name);
            foreach (string part in members.SelectMany(member => member.Groups[1].Value.Split('.')))
            {
                Assert.Matches($@"\b{part}\b", own);
            }
        }
    }

    [Fact]
    public void A_parameter_that_no_launcher_mirrors_is_refused()
    {
        var e = Assert.Throws<KernelBuildException>(
            () => KernelLayout.OfParameters("k", "extern \"C\" __global__ void k(const __grid_constant__ NobodysArguments a) {}"));
        Assert.Equal("Kernel k takes NobodysArguments, and no launcher has a structure for it: NobodysKernel.Arguments or NobodysArguments.", e.Message);
    }

    /// <summary>Where there is a compiler, with or without a GPU.</summary>
    [Fact]
    public void Two_fields_of_one_size_that_changed_places_do_not_compile()
    {
        var compiler = RequireCompiler();
        var right = RmsNormKernel.Source;
        Assert.NotEmpty(compiler.Compile(right).Cubin);
        string swapped = SwapPattern().Replace(right.Text, "u32 lanes;$2u32 width;");
        Assert.NotEqual(right.Text, swapped);
        var e = Assert.Throws<KernelBuildException>(() => compiler.Compile(KernelSource.FromText("swapped", swapped)));
        Assert.Contains("the launcher's RmsNormKernel.Arguments has Width at byte 24, of 4 bytes", e.Message, StringComparison.Ordinal);
        Assert.Contains("the launcher's RmsNormKernel.Arguments has Lanes at byte 28, of 4 bytes", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Epsilon", e.Message, StringComparison.Ordinal);

        string renamed = right.Text.Replace("->epsilon", "->epsilom", StringComparison.Ordinal);
        e = Assert.Throws<KernelBuildException>(() => compiler.Compile(KernelSource.FromText("renamed", renamed)));
        Assert.Contains("has no member \"epsilom\"", e.Message, StringComparison.Ordinal);
    }

    /// <summary>With a GPU, NvrtcTests builds them anyway; by itself: -explicit only.</summary>
    [Fact(Explicit = true)]
    public void Every_kernel_compiles_where_there_is_a_compiler_and_no_GPU()
    {
        var build = new KernelBuilder(RequireCompiler(), new CubinCache(null)).Build(KernelLibrary.Sources);
        Assert.All(build.Kernels, kernel => Assert.NotEmpty(kernel.Cubin));
    }

    private static NvrtcCompiler RequireCompiler()
    {
        try
        {
            return NvrtcCompiler.Load(new CudaVersion(13, 0));
        }
        catch (CudaUnavailableException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    [GeneratedRegex(@"const __grid_constant__ (\w+) \w+")]
    private static partial Regex ParameterPattern();

    [GeneratedRegex(@"__INTADDR__\(&\(\(\(\w+\*\)0\)->([\w.]+)\)\)")]
    private static partial Regex MemberPattern();

    [GeneratedRegex(@"u32 width;(.*\n)( *)u32 lanes;")]
    private static partial Regex SwapPattern();

#pragma warning disable CS0649, IDE0044, IDE0051 // Only the layout counts.
    private struct Sample
    {
        public Map TensorMap;
        public CUdeviceptr Tiles;
        [KernelField("results.bias")]
        public CUdeviceptr Bias;
        public byte Wide;
        public Three Lists;
        public float Epsilon;
        public uint Unused;
        public ulong Unused2;
        public ulong Unused3;
        public ulong Unused4;
    }

    [InlineArray(16)]
    private struct Map
    {
        private ulong word;
    }

    [InlineArray(3)]
    private struct Three
    {
        private uint word;
    }
#pragma warning restore CS0649, IDE0044, IDE0051
}
