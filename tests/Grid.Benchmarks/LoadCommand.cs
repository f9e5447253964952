using System.Diagnostics;
using System.Globalization;
using Grid.Cpu;
using Grid.Models;

namespace Grid.Benchmarks;

/// <summary>
/// Loads a model folder in this process and prints its speed beside a plain read of the same files, and the process's peak
/// memory beside the model's size on disk. The claim: peak at most 1.1 times the size plus 500 MB.
/// </summary>
internal static class LoadCommand
{
    public static int Run(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal)];
        long size = files.Sum(file => new FileInfo(file).Length);
        var clock = Stopwatch.StartNew();
        files.ToList().ForEach(ReadPlainly);
        double plain = clock.Elapsed.TotalSeconds;
        long before = Environment.WorkingSet;

        clock.Restart();
        using var operations = new CpuOperations(new CpuOptions());
        using var loaded = ModelLoader.Load(folder, operations, new ModelLoadOptions());
        double load = clock.Elapsed.TotalSeconds;
        using var process = Process.GetCurrentProcess();
        long peak = process.PeakWorkingSet64;
        double allowed = (1.1 * size) + 500e6;
        Print($"{size / 1e9:0.000} GB in {files.Length} files, {loaded.Model.Config.Architecture}");
        Print($"plain read {size / 1e9 / plain:0.00} GB/s, load {size / 1e9 / load:0.00} GB/s ({load:0.0} s)");
        Print($"memory before {before / 1e9:0.000} GB, peak {peak / 1e9:0.000} GB = {(double)peak / size:0.000} x the size; allowed {allowed / 1e9:0.000} GB");
        return peak <= allowed ? 0 : 1;
    }

    private static void ReadPlainly(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        byte[] buffer = new byte[1 << 20];
        while (stream.Read(buffer) > 0)
        {
        }
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
