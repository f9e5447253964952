using Grid.Options;
using Grid.Silo;
using Grid.Silo.Startup;

return await GridNode.Program.RunAsync(args, async options =>
{
    Console.WriteLine($"Grid {GridProgram.Version}");
    await using var node = await GridNode.StartAsync(options, Console.Out, CancellationToken.None);
    Banner.Write(Console.Out, node);
    return await node.RunAsync();
});
