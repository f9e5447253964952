using Grid.Gateway.Node;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Devices;
using Grid.Silo.Startup;

return await GridNode.Program.RunAsync(args, async (options, signals) =>
{
    var output = NodeHost.OutputOf(options);
    output.WriteLine($"Grid {GridProgram.Version}");
    if (options.BuildKernels is { } folder)
    {
        return KernelPacking.Run(folder, output);
    }

    await using var node = await signals.StartAsync(stop => GridNode.StartAsync(options, output, stop));
    Banner.Write(output, node, examples: !options.JsonLogs);
    return await node.RunAsync(output, signals);
});
