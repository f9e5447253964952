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
    await using var node = await GatewayNode.StartAsync(options, settings, CancellationToken.None);
    Console.WriteLine($"Gateway on {node.Address} (silo {options.Primary}); GET {node.Address}readyz tells when a worker serves.");
    await node.RunAsync();
    return 0;
}
catch (Exception exception) when (exception is GatewayOptionException or OptionsValidationException)
{
    Console.Error.WriteLine($"gateway: {exception.Message}");
    return 2;
}
catch (Exception exception) when (exception is IOException or Orleans.Runtime.OrleansException)
{
    Console.Error.WriteLine($"gateway: cannot start: {exception.Message}");
    return 1;
}
