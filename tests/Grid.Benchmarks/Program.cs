using Grid.Benchmarks;
using Grid.Benchmarks.Claims;
using Grid.Benchmarks.Gpu;
using Grid.Benchmarks.Overhead;

// dotnet run --project tests/Grid.Benchmarks [chains] [decode] [experts] [engine] [text] [choice]; all without arguments.
// "digest" prints a digest of results instead of a time; "load FOLDER" measures the loading of a model; "gpu" times kernels and steps on a GPU;
// "claims --help" says how a running server's bits are compared, "overhead --help" how the grid around an engine is measured.
if (args is ["digest"])
{
    DigestCommand.Run();
    return 0;
}

if (args is ["load", var folder])
{
    return LoadCommand.Run(folder);
}

if (args is ["gpu", ..])
{
    return GpuCommand.Run(args[1..]);
}

if (args is ["claims", "--help"])
{
    Console.WriteLine(ClaimsOptions.Help);
    return 0;
}

if (args is ["claims", ..])
{
    return await ClaimsCommand.RunAsync(args[1..]);
}

if (args is ["overhead", ..])
{
    return await OverheadCommand.RunAsync(args[1..]);
}

(string Name, Action Run)[] benchmarks =
[
    ("chains", ChainBenchmark.Run),
    ("decode", DecodeBenchmark.Run),
    ("experts", ExpertBenchmark.Run),
    ("engine", EngineBenchmark.Run),
    ("text", TextBenchmark.Run),
    ("choice", ChoiceBenchmark.Run),
];
foreach (string arg in args)
{
    if (!benchmarks.Any(b => b.Name == arg))
    {
        Console.Error.WriteLine($"'{arg}' is no benchmark; there are {string.Join(", ", benchmarks.Select(b => b.Name))}.");
        return 2;
    }
}

foreach ((string name, var run) in benchmarks)
{
    if (args.Length == 0 || args.Contains(name))
    {
        run();
    }
}

return 0;
