using System.Text;
using Grid.Cuda.Build;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Tests;

/// <summary>Kernels that lie beside a program: used as a whole, by what the texts are now, or not at all.</summary>
public sealed class PrebuiltKernelsTests : IDisposable
{
    private static readonly CudaVersion s_version = new(13, 0);
    private static readonly KernelSource[] s_sources = [.. Enumerable.Range(0, 3).Select(i => KernelSource.FromText($"k{i}", $"text {i}"))];

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"grid-prebuilt-{Guid.NewGuid():N}");

    [Fact]
    public void What_was_packed_is_found_without_a_compiler()
    {
        Assert.Null(PrebuiltKernels.Find(_folder, s_version, s_sources, out string? problem));
        Assert.Null(problem); // Nothing was packed, which is no problem.

        Make(new FakeCompiler());
        foreach (var driver in new[] { s_version, new CudaVersion(14, 1) })
        {
            var build = PrebuiltKernels.Find(_folder, driver, s_sources, out problem)!;
            Assert.Null(problem);
            Assert.Equal(["text 0", "text 1", "text 2"], build.Kernels.Select(kernel => Encoding.UTF8.GetString(kernel.Cubin)));
        }
    }

    [Fact]
    public void What_does_not_fit_is_not_used_and_why_is_said()
    {
        Make(new FakeCompiler());
        Refuses("the NVIDIA driver (CUDA 12.9) cannot load that", new CudaVersion(12, 9), s_sources);
        Refuses("k1 is not among them", s_version, [s_sources[0], KernelSource.FromText("k1", "another text"), s_sources[2]]);
        string file = Directory.GetFiles(_folder, "k2-*").Single();
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^1]);
        Refuses("k2 is damaged", s_version, s_sources);

        // Files of another compiler than the one that is named.
        File.WriteAllLines(Path.Combine(_folder, "compiler"), ["13.0", "another compiler"]);
        Refuses("k0 is not among them", s_version, s_sources);
        File.WriteAllText(Path.Combine(_folder, "compiler"), "rubbish");
        Refuses("does not say which compiler made them", s_version, s_sources);
    }

    [Fact]
    public void What_cannot_be_kept_is_not_packed()
    {
        File.WriteAllText(_folder, "a file where a folder should be");
        Assert.Throws<IOException>(() => Make(new FakeCompiler()));
    }

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }

        File.Delete(_folder);
    }

    private void Make(IKernelCompiler compiler) => PrebuiltKernels.Make(_folder, compiler, s_version, s_sources, progress: null);

    private void Refuses(string reason, CudaVersion driver, KernelSource[] sources)
    {
        Assert.Null(PrebuiltKernels.Find(_folder, driver, sources, out string? problem));
        Assert.Contains(reason, problem, StringComparison.Ordinal);
    }
}
