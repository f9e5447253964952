using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Grid.Benchmarks.Overhead;

/// <summary>
/// "overhead": tokens a second of the engine alone, through Orleans (worker and gateway in processes of their own) and over
/// HTTP, with a device that computes nothing; and the CPU time that each process takes for a token.
/// </summary>
internal static class OverheadCommand
{
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            switch (args)
            {
                case ["--help"]:
                    Console.WriteLine(OverheadOptions.Help);
                    break;
                case ["worker", var port, ..]:
                    await OverheadRoles.RunWorkerAsync(OverheadOptions.Parse(args.AsSpan(2)), int.Parse(port, null));
                    break;
                case ["gateway", var port, ..]:
                    await OverheadRoles.RunGatewayAsync(OverheadOptions.Parse(args.AsSpan(2)), int.Parse(port, null));
                    break;
                default:
                    await MeasureAsync(OverheadOptions.Parse(args));
                    break;
            }

            return 0;
        }
        catch (FormatException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 2;
        }
    }

    private static async Task MeasureAsync(OverheadOptions options)
    {
        Console.WriteLine(Line($"{options.Streams} streams, {options.PromptTokens} prompt ids and {options.OutputTokens} tokens each, steps of {options.StepMilliseconds} ms, {Environment.ProcessorCount} cores"));
        Console.WriteLine("                    tok/s  of engine   decoding  of engine   ITL ms p50      p99   CPU us a token: worker  gateway  client");
        int run = 0;
        var warmUp = options with { OutputTokens = Math.Min(256, options.OutputTokens) };
        OverheadRoles.RunEngine(warmUp, run++);
        var before = Environment.CpuUsage.TotalTime;
        var engine = OverheadRoles.RunEngine(options, run++);
        Print("engine alone", engine, engine, (Environment.CpuUsage.TotalTime - before, TimeSpan.Zero, TimeSpan.Zero));

        int port = FreePort();
        await using var worker = new OtherProcess("worker", serverGc: false, [$"{port}", .. options.Arguments]);
        await worker.ReadAsync("Worker");
        // As gateway/ is built, which has the web server's collector.
        await using var gateway = new OtherProcess("gateway", serverGc: true, [$"{port}", .. options.Arguments]);
        var address = new Uri(await gateway.ReadAsync("Gateway"));
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue, UseProxy = false };
        using var client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        using var models = JsonDocument.Parse(await client.GetStringAsync("v1/models"));
        string model = models.RootElement.GetProperty("data")[0].GetProperty("id").GetString()!;
        await EventStreams.RunAsync(client, model, warmUp, run++);
        await Through("Orleans", async () => JsonSerializer.Deserialize<RunResult>(await gateway.AskAsync($"orleans {run++}", "Result"))!);
        await Through("HTTP", () => EventStreams.RunAsync(client, model, options, run));

        async Task Through(string name, Func<Task<RunResult>> measure)
        {
            var (w, g, c) = (worker.Cpu, gateway.Cpu, Environment.CpuUsage.TotalTime);
            var result = await measure();
            Print(name, result, engine, (worker.Cpu - w, gateway.Cpu - g, Environment.CpuUsage.TotalTime - c));
        }
    }

    private static void Print(string name, RunResult run, RunResult engine, (TimeSpan Worker, TimeSpan Gateway, TimeSpan Client) cpu) =>
        Console.WriteLine(Line(
            $"{name,-15} {run.Rate,9:0}  {run.Rate / engine.Rate,9:0.000}  {run.DecodeRate,9:0}  {run.DecodeRate / engine.DecodeRate,9:0.000}   {run.Median,10:0.00} {run.Late,8:0.00}   {Share(cpu.Worker, run),22:0.0} {Share(cpu.Gateway, run),8:0.0} {Share(cpu.Client, run),7:0.0}"));

    private static double Share(TimeSpan cpu, RunResult run) => cpu.TotalMicroseconds / run.Tokens;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
