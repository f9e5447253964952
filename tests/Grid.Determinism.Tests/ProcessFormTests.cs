using System.Diagnostics;

namespace Grid.Determinism.Tests;

/// <summary>Whole processes with instruction sets switched off: every line of code, not only the chains.</summary>
public class ProcessFormTests
{
    /// <summary>Of the demo model in this repository; another training changes it.</summary>
    private const string Known = "e175e0a1a8fa7bd04fdf562237cb2c5add650d7f5bac1e6457ff27c2c6621cae";

    [Theory]
    [InlineData("", "")]
    [InlineData("DOTNET_EnableAVX512", "AVX2")]
    [InlineData("DOTNET_EnableAVX2", "128-bit")]
    [InlineData("DOTNET_EnableHWIntrinsic", "none")]
    public async Task A_process_without_an_instruction_set_gives_the_same_bits(string switchedOff, string vectors)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Grid.Benchmarks.dll"));
        start.ArgumentList.Add("digest");
        if (switchedOff.Length > 0)
        {
            start.Environment[switchedOff] = "0";
        }

        using var process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        Assert.StartsWith(Known + " ", output, StringComparison.Ordinal);
        if (vectors.Length > 0 && System.Runtime.Intrinsics.X86.Avx512F.IsSupported)
        {
            Assert.Contains($"vectors={vectors}", output, StringComparison.Ordinal);
        }
    }
}
