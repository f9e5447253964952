using Grid.Silo;
using Grid.Silo.Options;
using Grid.Silo.Startup;

try
{
    var configuration = new ConfigurationBuilder()
        .SetBasePath(AppContext.BaseDirectory)
        .AddJsonFile("appsettings.json", optional: true)
        .AddEnvironmentVariables()
        .Build();
    var (request, options, settings) = CommandLine.Read(args, configuration, Banner.GatewaySettings);
    switch (request)
    {
        case CommandLine.Request.Help:
            Console.WriteLine(CommandLine.Help());
            return 0;
        case CommandLine.Request.Version:
            Console.WriteLine(CommandLine.Version);
            return 0;
    }

    Console.WriteLine($"Grid {CommandLine.Version}");
    await using var node = await GridNode.StartAsync(options, settings, Console.Out, CancellationToken.None);
    Banner.Write(Console.Out, node);
    return await node.RunAsync();
}
catch (StartException exception)
{
    Console.Error.WriteLine($"grid: {exception.Message}");
    return exception.ExitCode;
}
catch (Exception exception)
{
    // Nothing above foresaw it: a fault of Grid, and the trace is what a report of it needs.
    Console.Error.WriteLine($"grid: unexpected error. {exception}");
    return StartException.Failed;
}
