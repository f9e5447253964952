using Grid.Clustering;
using Grid.Gateway.Node;
using Microsoft.Extensions.Options;

try
{
    if (args is ["--help"] or ["-h"])
    {
        Console.WriteLine(GatewayCommandLine.Help);
        return 0;
    }
    var configuration = new ConfigurationBuilder().AddEnvironmentVariables().Build();
    var (options, settings) = GatewayCommandLine.Read(args, configuration.GetSection(GatewayCommandLine.Section));
    await using var node = await GatewayNode.StartAsync(options, settings, Console.Out, CancellationToken.None);
    Console.WriteLine($"Gateway on {node.Address} in cluster {node.Cluster.Description}.");
    await node.RunAsync(Console.Out);
    return 0;
}
catch (Exception exception) when (exception is GatewayOptionException or OptionsValidationException)
{
    Console.Error.WriteLine($"gateway: {exception.Message}");
    return 2;
}
catch (ClusterStartException exception)
{
    Console.Error.WriteLine($"gateway: {exception.Message}");
    return exception.IsUsage ? 2 : 1;
}
catch (IOException exception)
{
    Console.Error.WriteLine($"gateway: cannot start: {exception.Message}");
    return 1;
}
