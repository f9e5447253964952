using Grid.Gateway.Node;

return await GatewayNode.Program.RunAsync(args, async options =>
{
    await using var node = await GatewayNode.StartAsync(options, Console.Out, CancellationToken.None);
    Console.WriteLine($"Gateway on {node.Address} in cluster {node.Cluster.Description}.");
    await node.RunAsync(Console.Out);
    return 0;
});
