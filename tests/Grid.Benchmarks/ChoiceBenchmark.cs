using System.Diagnostics;
using System.Net;
using Grid.Grains;
using Grid.Grains.Caching;
using Grid.Grains.Messages;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using SomeOptions = Microsoft.Extensions.Options.Options;

namespace Grid.Benchmarks;

/// <summary>What choosing a worker costs a gateway, and what a worker's report costs it while sequences wait: every worker holds 20 pages of the
/// prompt, four of a thousand hold most of it, and each holds 3,500 pages of its own.</summary>
internal static class ChoiceBenchmark
{
    private const string Content = "grid-1-abc";
    private const string Model = "m";
    private const int Page = 64;
    private const int PromptPages = 500;
    private const int WaitingClients = 100;

    private static readonly StoppedClock s_clock = new(); // No report becomes old.

    public static void Run()
    {
        Console.WriteLine($"A worker chosen for a prompt of {PromptPages} pages, and a report of a full worker while {WaitingClients} clients wait; one thread, the fastest of 20 rounds");
        foreach (int workers in (int[])[4, 100, 1000])
        {
            Run(workers);
        }
    }

    private static void Run(int count)
    {
        var options = new SequencesOptions();
        var directory = new WorkerDirectory(
            null!, null!, new LocalSilo(), new TcpSiloProbe(), SomeOptions.Create(options), TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
        var random = new Random(1);
        int[] prompt = [.. Enumerable.Range(0, (PromptPages * Page) + 1).Select(_ => random.Next(100_000))];
        ulong[] chains = PageChain.Of(Content, prompt, Page);
        LiveWorker[] workers = [.. Enumerable.Range(0, count).Select(number => Worker(number, directory, options))];
        for (int i = 0; i < count; i++)
        {
            ulong[] own = [.. Enumerable.Range(0, 4000 - PromptPages).Select(_ => (ulong)random.NextInt64())];
            workers[i].Take(Report(random.Next(100, 120)) with { Prefixes = new() { Cached = [.. chains[..(i % 250 == 3 ? PromptPages - (i / 4) : 20)], .. own] } });
        }

        var request = new SubmitRequest
        {
            Attempt = new AttemptId(Guid.NewGuid(), 0),
            Gateway = directory.Gateway,
            NumericsId = Content,
            PromptIds = prompt,
            Generation = new GenerationParameters(),
        };
        var (hash, _) = Measure(() => PageChain.Of(Content, prompt, Page));
        var (choice, choiceBytes) = Measure(() =>
        {
            if (WorkerChoice.Next(directory.Pools.Of(Content), new PromptPrefix(request), request.Attempt, static _ => true, null) is var (worker, uncached))
            {
                worker.Queue.Submitted(uncached);
            }
        });

        Array.ForEach(workers, worker => worker.Take(Report(256)));
        var drain = new Drain(new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), [], SomeOptions.Create(new DrainOptions()), TimeProvider.System, NullLogger<Drain>.Instance);
        var queue = new AdmissionQueue(directory, SomeOptions.Create(options), new EqualQuotas(SomeOptions.Create(options)), drain, TimeProvider.System);
        for (int client = 0; client < WaitingClients; client++)
        {
            queue.Enter(new SequenceSpec { Model = Model, NumericsId = Content, Client = $"{client}", Generation = request.Generation }, prompt.Length);
        }

        int next = 0;
        var batch = Report(256);
        var (report, reportBytes) = Measure(() =>
        {
            var worker = workers[next++ % count];
            worker.Take(batch);
            directory.Report(worker);
        });
        Console.WriteLine(
            $"  {count,4} workers: {choice,7:F1} us and {choiceBytes,7:N0} bytes a choice, {hash:F1} us of it to hash the prompt once; "
            + $"{report:F2} us and {reportBytes:N0} bytes a report");
    }

    private static LiveWorker Worker(int number, WorkerDirectory directory, SequencesOptions options)
    {
        var id = new WorkerId($"worker{number:D4}");
        var link = new WorkerLink(
            id, null!, directory.Gateway, new TcpSiloProbe(), new TextModelCache(), directory.Pools, options, TimeProvider.System, () => { }, directory.Report, NullLogger.Instance);
        var status = new WorkerStatus
        {
            Worker = id,
            ModelId = Model,
            NumericsId = Content,
            TextDigest = "",
            Device = "",
            Started = default,
            Load = default,
            PageTokens = Page,
            Limits = new WorkerLimits
            {
                MaxContextTokens = 100_000,
                MaxRunningSequences = 256,
                MaxWaitingSequences = 8,
                KvCacheTokens = 1_000_000,
                VocabularySize = 100_000,
                MaxModelTokens = 100_000,
            },
        };
        return new LiveWorker(link, status, null, options, s_clock, directory.Pools);
    }

    private static StepBatch Report(int running) => new() { Number = 0, Load = new WorkerLoad { Running = running } };

    /// <summary>Of twenty rounds the fastest: other things run beside it.</summary>
    private static (double Microseconds, double Bytes) Measure(Action act)
    {
        Round(act, 500);
        return Enumerable.Range(0, 20).Select(_ => Round(act, 100)).MinBy(round => round.Microseconds);
    }

    private static (double Microseconds, double Bytes) Round(Action act, int milliseconds)
    {
        int times = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        for (; watch.ElapsedMilliseconds < milliseconds; times++)
        {
            act();
        }

        return (watch.Elapsed.TotalMicroseconds / times, (GC.GetAllocatedBytesForCurrentThread() - before) / (double)times);
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }

    private sealed class LocalSilo : ILocalSiloDetails
    {
        public string Name => "benchmark";

        public string ClusterId => "benchmark";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress { get; } = SiloAddress.New(IPAddress.Loopback, 1, 1);

        public SiloAddress GatewayAddress => SiloAddress;
    }
}
