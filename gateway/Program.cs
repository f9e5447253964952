using Grid.Gateway.Node;

return await GatewayNode.Program.RunAsync(args, async (options, signals) =>
{
    var output = NodeHost.OutputOf(options);
    await using var node = await signals.StartAsync(stop => GatewayNode.StartAsync(options, output, stop));
    output.WriteLine($"Gateway on {node.Address} in cluster {node.Cluster.Description}.");
    return await node.RunAsync(output, signals);
});
