using System.Numerics;
using System.Runtime.InteropServices;
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

/// <summary>What is kept up as news come, beside what looking at all workers anew gives.</summary>
public sealed class ChoiceTrialsTests
{
    private const string Model = "grid-1-abc";
    private const int PageTokens = 64;

    private readonly FakeTimeProvider _time = new();
    private readonly SequencesOptions _options = new();
    private readonly WorkerPools _pools = new();
    private readonly Random _random = new(11);
    private readonly List<Known> _workers = [];
    private int _made;

    [Theory]
    [InlineData(3)]
    [InlineData(150)]
    public void The_worker_that_is_chosen_is_the_one_that_looking_at_all_of_them_gives(int count)
    {
        int[][] prompts = [.. Enumerable.Range(0, 12).Select(_ => Enumerable.Range(0, 300 + _random.Next(2000)).Select(_ => _random.Next(5)).ToArray())];
        for (int i = 1; i < prompts.Length; i++)
        {
            int shared = _random.Next(Math.Min(prompts[i].Length, prompts[i - 1].Length));
            prompts[i - 1].AsSpan(0, shared).CopyTo(prompts[i]);
        }

        int chosen = 0;
        for (int trial = 0; trial < 3000; trial++)
        {
            if (_workers.Count < count)
            {
                Add();
            }
            else if (_random.Next(40) == 0)
            {
                var lost = _workers[_random.Next(_workers.Count)];
                lost.Worker.Close();
                _workers.Remove(lost);
            }

            Hear(_workers[_random.Next(_workers.Count)], prompts[_random.Next(prompts.Length)]);
            _time.Advance(TimeSpan.FromMilliseconds(_random.Next(_random.Next(10) == 0 ? 900 : 5)));
            var request = Request(prompts[_random.Next(prompts.Length)]);
            var refused = _random.Next(4) == 0 ? _workers.Where(_ => _random.Next(3) == 0).Select(known => known.Worker).ToHashSet() : null;
            int most = _random.Next(4) == 0 ? 1 + _random.Next(2) : 3;
            bool Fits(LiveWorker worker) => worker.Load.Running % 4 < most;
            var expected = ByLookingAtAll(request, Fits, refused);
            Assert.Same(expected, WorkerChoice.Next(_workers[0].Worker.Pool, new PromptPrefix(request), request.Attempt, Fits, refused)?.Worker);
            if (expected is not null && refused is null)
            {
                var known = _workers.Find(known => known.Worker == expected)!;
                known.Awaited.UnionWith(Chains(request).Except(known.Cached));
            }

            if (expected is not null && _random.Next(2) == 0)
            {
                chosen++;
                long prefill = new PromptPrefix(request).UncachedTokens(expected);
                expected.Demultiplexer.Add(request.Attempt, Channel.CreateUnbounded<SequenceEvent>().Writer, prefill);
                expected.Queue.Submitted(prefill);
            }
        }

        Assert.True(chosen > 1000);
    }

    [Fact]
    public void Room_is_the_sum_over_workers_that_take_sequences_and_the_rank_displaced_the_highest_of_theirs()
    {
        for (int trial = 0; trial < 3000; trial++)
        {
            if (_workers.Count < 20)
            {
                Add();
            }

            var known = _workers[_random.Next(_workers.Count)];
            switch (_random.Next(8))
            {
                case 0:
                    known.Worker.Close();
                    _workers.Remove(known);
                    break;
                case 1:
                    known.Worker.PutInQuarantine("trial"); // The link has no stream: nothing else changes.
                    known.Worker.Take(Report(known));
                    break;
                default:
                    known.Worker.Take(Report(known));
                    break;
            }

            LiveWorker[] taking = [.. _workers.Select(one => one.Worker).Where(worker => worker.State == WorkerState.Live)];
            var room = _pools.Of(Model).RoomOf("m");
            Assert.Equal(
                (taking.Length, taking.Sum(worker => worker.Queue.Room), taking.Select(worker => worker.Queue.DisplacedRank).DefaultIfEmpty().Max()),
                (room.Workers, room.Sequences, room.DisplacedRank));
        }
    }

    [Fact]
    public void Past_the_bound_pages_are_forgotten_that_nobody_asked_for_and_the_workers_know_how_many_are_left()
    {
        var index = new PrefixIndex(new PrefixMemory(pages: 1000));
        PrefixView[] views = [new(index), new(index)];
        ulong[] asked = [.. Enumerable.Range(0, 100).Select(_ => (ulong)_random.NextInt64())];
        Array.ForEach(views, view => view.Apply(new PrefixChanges { Cached = asked }));
        for (int i = 0; i < 500; i++)
        {
            views[i % 2].Apply(new PrefixChanges { Cached = [.. Enumerable.Range(0, 40).Select(_ => (ulong)_random.NextInt64())] });
            Assert.Equal(100, views[0].Match(asked));
            Assert.InRange(views[0].Pages + views[1].Pages, i < 20 ? 0 : 900, 1100); // The pages asked for are held by both.
        }

        Assert.Equal(100, views[1].Match(asked));
        views[0].Apply(new PrefixChanges { Reset = true });
        Assert.Equal((0, 0, 100), (views[0].Pages, views[0].Match(asked), views[1].Match(asked)));
        views[1].Apply(new PrefixChanges { Evicted = asked[50..] });
        Assert.Equal(50, views[1].Match(asked));
        Array.ForEach(views, view => view.Close());
        Assert.Equal((0, 0), (views[1].Pages, views[1].Match(asked)));
    }

    /// <summary>The same choice, stated plainly.</summary>
    private LiveWorker? ByLookingAtAll(SubmitRequest request, Func<LiveWorker, bool> fits, HashSet<LiveWorker>? refused)
    {
        Known[] may = [.. _workers.Where(known => known.Worker.State == WorkerState.Live && fits(known.Worker) && refused?.Contains(known.Worker) is not true)
            .OrderBy(known => known.Worker.Status.Worker.Key, StringComparer.Ordinal)];
        ulong[] chains = Chains(request);
        long Cost(Known known)
        {
            ulong[] there = [.. chains.TakeWhile(chain => known.Cached.Contains(chain) || known.Awaited.Contains(chain))];
            long before = Math.Max(0, known.Worker.Queue.Cost - (PageTokens * there.Count(known.Awaited.Contains)));
            return (before + request.PromptIds.Length - (PageTokens * there.Length)) / PageTokens;
        }

        var first = may.OrderBy(Cost).ThenBy(known => known.Worker.Queue.RecentWork).FirstOrDefault();
        if (may.Length > 2 && refused is null && first!.Worker.Queue.IsStale)
        {
            ulong draw = PageChain.Next((ulong)request.Attempt.Epoch, MemoryMarshal.Cast<byte, int>(request.Attempt.Sequence.ToByteArray()));
            int one = (int)((draw >> 32) % (uint)may.Length), other = (int)((uint)draw % (uint)(may.Length - 1));
            other += other >= one ? 1 : 0;
            first = new[] { may[Math.Min(one, other)], may[Math.Max(one, other)] }.MinBy(Cost);
        }

        return first?.Worker;
    }

    private static ulong[] Chains(SubmitRequest request) => PageChain.Of(Model, request.PromptIds.AsSpan(0, request.PromptIds.Length - 1), PageTokens);

    /// <summary>A worker reports, with news of what it caches of a prompt.</summary>
    private void Hear(Known known, int[] prompt)
    {
        ulong[] chains = PageChain.Of(Model, prompt, PageTokens);
        int held = _random.Next(chains.Length + 1);
        bool isReset = _random.Next(10) == 0;
        ulong[] evicted = _random.Next(3) == 0 ? chains[held..] : [];
        if (isReset)
        {
            known.Cached.Clear();
            known.Awaited.Clear();
        }

        if (known.Worker.Demultiplexer.PrefillTokens == 0 && !known.Worker.Queue.IsReserved)
        {
            known.Awaited.Clear();
        }

        known.Cached.ExceptWith(evicted);
        known.Awaited.ExceptWith(evicted);
        known.Cached.UnionWith(chains[..held]);
        known.Awaited.ExceptWith(chains[..held]);
        known.Worker.Take(Report(known) with { Prefixes = new PrefixChanges { Reset = isReset, Cached = chains[..held], Evicted = evicted } });
        Assert.Equal(known.Cached.Count, known.Worker.Prefixes.Pages);
    }

    private StepBatch Report(Known known) => new()
    {
        Number = 0,
        Load = new WorkerLoad
        {
            State = _random.Next(10) == 0 ? WorkerState.Stuck : WorkerState.Live,
            Running = _random.Next(8),
            QueuedTokens = _random.Next(2) * _random.Next(500),
            GeneratedTokens = known.Generated += _random.Next(2) * _random.Next(300),
            Room = _random.Next(3),
            DisplacedRank = _random.Next(2) * _random.Next(5),
        },
    };

    private static SubmitRequest Request(int[] prompt) => new()
    {
        Attempt = new AttemptId(Guid.NewGuid(), 0),
        Gateway = new GatewayId("gateway"),
        NumericsId = Model,
        PromptIds = prompt,
        Generation = new GenerationParameters(),
    };

    private void Add()
    {
        var id = new WorkerId($"worker{BitOperations.RotateLeft((uint)++_made, 29)}"); // In no order.
        var link = new WorkerLink(
            id, new FakeWorkerGrain(), default, new FakeSiloProbe(), new TextModelCache(), _pools, _options, _time, () => { }, _ => { }, NullLogger.Instance);
        _workers.Add(new Known(new LiveWorker(link, FakeWorkerGrain.Status() with { Worker = id, ModelId = "m", NumericsId = Model }, null, _options, _time, _pools)));
    }

    private sealed record Known(LiveWorker Worker)
    {
        public HashSet<ulong> Cached { get; } = [];

        /// <summary>Pages of prompts that were sent there, and that it has not told of yet.</summary>
        public HashSet<ulong> Awaited { get; } = [];

        public long Generated { get; set; }
    }
}
