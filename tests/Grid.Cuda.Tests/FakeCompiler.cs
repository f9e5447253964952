using System.Text;
using Grid.Cuda.Build;

namespace Grid.Cuda.Tests;

/// <summary>Stands for NVRTC on machines without it: its "machine code" is the text. Counts what it is asked for.</summary>
internal sealed class FakeCompiler : IKernelCompiler
{
    private int compilations;
    private int running;

    public string Identity { get; init; } = "fake 1.0";

    public IReadOnlyList<string> Options { get; init; } = ["--fmad=false"];

    public string Log { get; init; } = string.Empty;

    public Func<KernelSource, Exception?> Fail { get; init; } = _ => null;

    /// <summary>Compilations that must run at once before any of them ends.</summary>
    public int Together { get; init; } = 1;

    public int Compilations => compilations;

    public CompiledKernel Compile(KernelSource source)
    {
        Interlocked.Increment(ref compilations);
        Interlocked.Increment(ref running);
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref running) >= Together, TimeSpan.FromSeconds(30)), "compilations wait for one another");
        return Fail(source) is { } failure ? throw failure : new CompiledKernel(Encoding.UTF8.GetBytes(source.Text), Log);
    }
}
