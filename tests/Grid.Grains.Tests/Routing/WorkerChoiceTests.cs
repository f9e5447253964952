using System.Threading.Channels;
using Grid.Grains.Caching;
using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests.Routing;

/// <summary>Which of several workers is asked first.</summary>
public sealed class WorkerChoiceTests
{
    private const string Model = "grid-1-abc";
    private const int PageTokens = 64;

    private readonly FakeTimeProvider _time = new();
    private readonly SequencesOptions _options = new();
    private readonly WorkerPools _pools = new();

    [Fact]
    public void The_worker_that_has_the_prompts_prefix_is_first_until_its_queue_costs_more()
    {
        var workers = Workers(3);
        int[] prompt = [.. Enumerable.Range(0, 300)];
        workers[1].Take(Report() with { Prefixes = new PrefixChanges { Cached = PageChain.Of(Model, prompt, PageTokens) } });
        Assert.Equal([1, 0, 2], Order(workers, prompt)); // 44 to compute, against 300; of equal ones the first by key.
        workers[1].Take(Report(running: 3));
        Assert.Equal([1, 0, 2], Order(workers, prompt)); // 44 and three sequences: 236.
        workers[1].Take(Report(running: 5)); // 364.
        Assert.Equal([0, 2, 1], Order(workers, prompt));
    }

    [Fact]
    public void Samples_of_a_prompt_go_where_it_is_under_way_until_their_number_costs_more()
    {
        var workers = Workers(2);
        int[] prompt = [.. Enumerable.Range(0, 2048)], other = [.. Enumerable.Range(3, 100)];
        Assert.All(Enumerable.Range(0, 15), _ => Assert.Equal(0, Order(workers, prompt)[0]));
        Assert.Equal(1, Order(workers, other)[0]);

        // Of the 2,048 tokens each computes the last 64, and counts as 64 more: the first there would have to wait as long as for the prompt itself.
        Assert.Equal([0, 0, 1, 1], Enumerable.Range(0, 4).Select(_ => Order(workers, prompt)[0]));

        // None of them came: the next reports say so, and nobody is sent after them.
        Assert.Equal((31, 0), (workers[0].Prefixes.Match(PageChain.Of(Model, prompt, PageTokens)), workers[0].Prefixes.Pages));
        foreach (var worker in workers)
        {
            worker.Take(Report()); // They may still be on their way.
            Assert.Equal(31, worker.Prefixes.Match(PageChain.Of(Model, prompt, PageTokens)));
            worker.Take(Report(running: worker == workers[0] ? 1 : 0));
        }

        Assert.All(workers, worker => Assert.Equal(0, worker.Prefixes.Match(PageChain.Of(Model, prompt, PageTokens))));
        Assert.Equal(1, Order(workers, prompt)[0]);
    }

    [Fact]
    public void Pages_that_were_sent_for_are_forgotten_with_their_worker()
    {
        var workers = Workers(2);
        int[] prompt = [.. Enumerable.Range(0, 2048)];
        ulong[] chains = PageChain.Of(Model, prompt, PageTokens);
        Order(workers, prompt);
        workers[0].Close();
        Assert.Equal(0, workers[0].Prefixes.Match(chains));
        workers[0].Pool.Prefixes.Expect(workers[0].Prefixes, chains); // One that was chosen just before.
        workers[0].Prefixes.Apply(new PrefixChanges { Cached = chains });
        Assert.Equal((0, 0), (workers[0].Prefixes.Match(chains), workers[0].Prefixes.Pages));
    }

    [Fact]
    public void Of_workers_that_cost_the_same_the_one_that_did_least_lately_is_first()
    {
        var workers = Workers(3);
        workers[0].Take(Report() with { Load = new WorkerLoad { PromptTokens = 500, CachedPromptTokens = 100, GeneratedTokens = 50 } });
        workers[1].Take(Report() with { Load = new WorkerLoad { PromptTokens = 500, CachedPromptTokens = 200, GeneratedTokens = 50 } });
        Assert.Equal([2, 1, 0], Order(workers, [1, 2, 3]));
        workers[2].Take(Report() with { Load = new WorkerLoad { GeneratedTokens = 400 } });
        Assert.Equal([1, 2, 0], Order(workers, [1, 2, 3]));
        _time.Advance(TimeSpan.FromSeconds(10));
        workers[1].Take(Report() with { Load = new WorkerLoad { PromptTokens = 500, CachedPromptTokens = 200, GeneratedTokens = 90 } });
        workers[0].Take(Report() with { Load = new WorkerLoad { PromptTokens = 500, CachedPromptTokens = 100, GeneratedTokens = 50 } });
        workers[2].Take(Report() with { Load = new WorkerLoad { GeneratedTokens = 400 } });
        Assert.Equal([2, 1, 0], Order(workers, [1, 2, 3])); // 200, 175 + 40 and 225 are left.
    }

    [Fact]
    public void Tokens_that_wait_for_prefill_count_as_many()
    {
        var workers = Workers(2);
        workers[0].Take(Report(running: 1, queuedTokens: 300));
        workers[1].Take(Report(running: 4));
        Assert.Equal([1, 0], Order(workers, [1, 2, 3]));
    }

    [Fact]
    public void What_must_be_computed_anew_for_the_request_counts_although_it_is_cached()
    {
        var workers = Workers(2);
        int[] prompt = [.. Enumerable.Range(0, 128)];
        workers[0].Take(Report(running: 1));
        workers[1].Take(Report(running: 2) with { Prefixes = new PrefixChanges { Cached = PageChain.Of(Model, prompt, PageTokens) } });
        Assert.Equal([0, 1], Order(workers, prompt)); // The last token is always computed: one page is used, and that is not enough.
        workers[0].Take(Report(running: 1));
        workers[0].Take(Report(running: 1)); // What it was chosen for did not come.
        workers[1].Take(Report(running: 1));
        Assert.Equal([1, 0], Order(workers, prompt));
        workers[1].Take(Report(running: 1));
        Assert.Equal([0, 1], Order(workers, prompt, scoredFrom: 0));
    }

    [Fact]
    public async Task Of_requests_that_come_together_each_sees_where_those_before_it_went()
    {
        var workers = Workers(4);
        int[] first = await Task.WhenAll(Enumerable.Range(0, 400).Select(_ => Task.Run(() => Order(workers, [1, 2, 3])[0])));
        Assert.All(first.CountBy(worker => worker), worker => Assert.Equal(100, worker.Value));
        Assert.All(workers, worker => Assert.Equal(100, worker.Queue.Sequences));
        Assert.All(workers, worker => worker.Take(Report()));
        Assert.All(workers, worker => Assert.Equal(0, worker.Queue.Sequences)); // None of them came: the next report says so.
    }

    [Fact]
    public void A_gateways_own_sequences_count_once_and_from_the_start()
    {
        var workers = Workers(1);
        var inbox = Channel.CreateUnbounded<SequenceEvent>().Writer;
        var own = new AttemptId(Guid.NewGuid(), 0);
        workers[0].Demultiplexer.Add(own, inbox, prefillTokens: 100);
        Assert.Equal((1, 164), (workers[0].Queue.Sequences, workers[0].Queue.Cost));
        workers[0].Take(Report(running: 3, queuedTokens: 150)); // Two and 50 tokens are others'.
        Assert.Equal((3, 150 + (3 * 64)), (workers[0].Queue.Sequences, workers[0].Queue.Cost));
        workers[0].Take(Report(running: 3) with { Sequences = [new SequenceStep { Attempt = own, OutputTokenCount = 1 }] });
        Assert.Equal((3, 3 * 64), (workers[0].Queue.Sequences, workers[0].Queue.Cost));
        workers[0].Take(Report(running: 2) with { Sequences = [new SequenceStep { Attempt = own, Finish = StepFinish.Stop }] });
        Assert.Equal((2, 2 * 64), (workers[0].Queue.Sequences, workers[0].Queue.Cost));
    }

    [Fact]
    public void Where_reports_are_old_the_better_of_two_drawn_workers_is_taken()
    {
        var workers = Workers(5);
        foreach (int i in Enumerable.Range(0, 5))
        {
            workers[i].Take(Report(running: 1 + (100 * i)));
        }

        Assert.Equal(0, Order(workers, [1])[0]);
        _time.Advance(_options.StaleReport + TimeSpan.FromMilliseconds(1));
        int[] first = new int[5];
        for (int i = 0; i < 2000; i++)
        {
            int[] order = Order(workers, [1]);
            Assert.Equal(5, order.Distinct().Count());
            first[order[0]]++;
            if (i % 50 == 0)
            {
                Assert.All(Enumerable.Range(0, 5), worker => workers[worker].Take(Report(running: 1 + (100 * worker))));
                _time.Advance(_options.StaleReport + TimeSpan.FromMilliseconds(1));
            }
        }

        // Of ten pairs, four have the first, three the second and not the first, and so on; none has the last as the better.
        Assert.Equal(0, first[4]);
        Assert.All(first[..4].Zip([800, 600, 400, 200]), pair => Assert.InRange(pair.First, pair.Second - 120, pair.Second + 120));
    }

    private static StepBatch Report(int running = 0, long queuedTokens = 0) =>
        new() { Number = 0, Load = new WorkerLoad { Running = running, QueuedTokens = queuedTokens } };

    private static int[] Order(LiveWorker[] workers, int[] promptIds, int? scoredFrom = null)
    {
        var request = new SubmitRequest
        {
            Attempt = new AttemptId(Guid.NewGuid(), 0),
            Gateway = new GatewayId("gateway"),
            NumericsId = Model,
            PromptIds = promptIds,
            Generation = new GenerationParameters { PromptLogprobsFrom = scoredFrom },
        };
        var (prompt, order, asked) = (new PromptPrefix(request), new List<int>(), (HashSet<LiveWorker>?)null);
        while (WorkerChoice.Next(workers[0].Pool, prompt, request.Attempt, _ => true, asked) is var (next, _))
        {
            order.Add(Array.IndexOf(workers, next));
            (asked ??= []).Add(next);
        }

        return [.. order];
    }

    private LiveWorker[] Workers(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        var id = new WorkerId($"worker{i}");
        var link = new WorkerLink(id, null!, default, new FakeSiloProbe(), new TextModelCache(), _pools, _options, _time, () => { }, _ => { }, NullLogger.Instance);
        var status = new WorkerStatus
        {
            Worker = id,
            ModelId = "m",
            NumericsId = Model,
            TextDigest = "",
            Device = "",
            Started = default,
            Limits = Support.TestModel.Worker().Limits,
            Load = default,
            PageTokens = PageTokens,
        };
        return new LiveWorker(link, status, null, _options, _time, _pools);
    })];
}
