using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Grid.Engine;
using Grid.Gateway.Node;
using Grid.Grains.Messages;
using Grid.Models;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Grid.Silo;
using Grid.Silo.Options;
using Microsoft.Extensions.DependencyInjection;

namespace Grid.Benchmarks.Overhead;

/// <summary>The worker's process, the gateway's, and the engine without either.</summary>
internal static class OverheadRoles
{
    /// <summary>The real engine over the free device, step after step.</summary>
    public static RunResult RunEngine(OverheadOptions options, int run)
    {
        using var operations = FreeDevice.Create(options);
        var limits = DeviceDefaults.Cuda;
        using var loaded = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions { MaxBatchTokens = limits.MaxBatchTokens });
        using var engine = new InferenceEngine(loaded.Model, operations, new EngineOptions
        {
            MaxBatchTokens = limits.MaxBatchTokens,
            PrefillChunkTokens = limits.ChunkedPrefillSize,
            MaxRunningSequences = limits.MaxRunningRequests,
            MaxLogitRows = 512,
            KvPages = FreeDevice.Pages(options),
        });
        operations.IsFree = true;
        long start = Stopwatch.GetTimestamp();
        var logs = new Dictionary<SequenceId, StreamLog>();
        for (int s = 0; s < options.Streams; s++)
        {
            var id = new SequenceId(Guid.NewGuid(), 0);
            logs[id] = new StreamLog();
            engine.TrySubmit(new SequenceRequest
            {
                Id = id,
                PromptIds = options.Prompt(run, s),
                Sampling = new SamplingParameters { Seed = (ulong)s },
                MaxNewTokens = options.OutputTokens,
                IgnoreEndTokens = true,
            });
        }

        while (engine.Status.Running + engine.Status.Waiting > 0)
        {
            var events = engine.Step();
            long now = Stopwatch.GetTimestamp();
            foreach (var token in events.OfType<TokenGenerated>())
            {
                logs[token.Id].Add(now, token.Index + 1);
            }
        }

        return RunResult.Of(start, [.. logs.Values], options);
    }

    /// <summary>A silo with the free device, until standard input ends.</summary>
    public static async Task RunWorkerAsync(OverheadOptions options, int port)
    {
        var device = new FreeDevice(options);
        var node = new NodeOptions { Port = 0, DrainGrace = TimeSpan.FromSeconds(1) };
        node.Cluster.SiloPort = port;
        await using var silo = await GridNode.StartAsync(node, TextWriter.Null, (_, _) => [device], CancellationToken.None, (_, engine) =>
        {
            device.Operations!.IsFree = true;
            return engine;
        });
        Console.WriteLine("Worker ready");
        await Console.In.ReadToEndAsync();
    }

    /// <summary>A gateway that also runs the streams without HTTP when it is told to, until standard input ends.</summary>
    public static async Task RunGatewayAsync(OverheadOptions options, int port)
    {
        var node = new GatewayNodeOptions { Port = 0, DrainGrace = TimeSpan.FromSeconds(1) };
        node.Cluster.Primary = new(IPAddress.Loopback, port);
        await using var gateway = await GatewayNode.StartAsync(node, TextWriter.Null, CancellationToken.None);
        var service = gateway.Services.GetRequiredService<ISequenceService>();
        var workers = gateway.Services.GetRequiredService<WorkerDirectory>();
        if (!await workers.WaitForAsync(_ => service.Models.Count > 0, TimeSpan.FromSeconds(60), CancellationToken.None))
        {
            throw new InvalidOperationException("No worker came within a minute.");
        }

        Console.WriteLine($"Gateway {gateway.Address}");
        while (await Console.In.ReadLineAsync() is ['o', 'r', 'l', 'e', 'a', 'n', 's', ' ', .. var run])
        {
            Console.WriteLine($"Result {JsonSerializer.Serialize(await RunOrleansAsync(service, options, int.Parse(run, null)))}");
        }
    }

    private static async Task<RunResult> RunOrleansAsync(ISequenceService service, OverheadOptions options, int run)
    {
        string model = service.Models[0].Id;
        long start = Stopwatch.GetTimestamp();
        var logs = await Task.WhenAll(Enumerable.Range(0, options.Streams).Select(s => Task.Run(async () =>
        {
            var spec = new SequenceSpec
            {
                Model = model,
                PromptIds = options.Prompt(run, s),
                Generation = new GenerationParameters
                {
                    Sampling = new SamplingParameters { Seed = (ulong)s },
                    MaxNewTokens = options.OutputTokens,
                    IgnoreEndTokens = true,
                },
            };
            var log = new StreamLog();
            var ended = new TaskCompletionSource();
            await using var sequence = await service.StartAsync(spec, Take, CancellationToken.None);
            await ended.Task;
            return log;

            void Take(IRunningSequence running, SequenceUpdate update)
            {
                log.Add(Stopwatch.GetTimestamp(), log.Tokens + update.Tokens.Length);
                if (update.IsLast)
                {
                    ended.SetResult();
                }
            }
        })));
        return RunResult.Of(start, logs, options);
    }
}
