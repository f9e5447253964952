using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Grid.Cpu.Threading;

/// <summary>Work cut into parts that any core may take, in any order: parts share no output and no reduction.</summary>
internal abstract class CrewTask
{
    public abstract void Execute(int part);
}

/// <summary>
/// The cores of the CPU device. Threads of its own (never the thread pool) take parts one by one beside the caller, so
/// a core busy with something else slows a task down by at most the part it holds. Idle threads spin briefly, because a
/// forward pass is many short tasks, and then sleep.
/// </summary>
internal sealed class WorkCrew : IDisposable
{
    // Longer than the pause between two tasks of a pass, shorter than what a server's other threads would miss.
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000; // 50 microseconds

    private const int PartBits = 24;
    private const long PartMask = (1L << PartBits) - 1;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _wake = new(0);
    private CrewTask? _task;
    private ExceptionDispatchInfo? _failure;
    private long _state; // generation (16 bits), parts (24), next part (24): one word, so that a claim cannot mix two tasks
    private int _done;
    private int _sleeping;
    private volatile bool _stop;

    public WorkCrew(int threads)
    {
        Threads = threads;
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = $"grid-cpu-{i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>Cores, the caller's included.</summary>
    public int Threads { get; }

    /// <summary>Runs all parts and returns when the last one is done. One caller at a time.</summary>
    public void Run(CrewTask task, int parts)
    {
        if (parts <= 1 || _threads.Length == 0)
        {
            for (int part = 0; part < parts; part++)
            {
                task.Execute(part);
            }

            return;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(parts, (int)PartMask);
        _task = task;
        _failure = null;
        Volatile.Write(ref _done, 0);
        long generation = ((Volatile.Read(ref _state) >> (2 * PartBits)) + 1) & 0x7FFF;
        Interlocked.Exchange(ref _state, (generation << (2 * PartBits)) | ((long)parts << PartBits));
        int sleeping = Volatile.Read(ref _sleeping);
        if (sleeping > 0)
        {
            _wake.Release(Math.Min(sleeping, parts - 1));
        }

        while (TakePart())
        {
        }

        var spinner = new SpinWait();
        while (Volatile.Read(ref _done) != parts)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }

        _task = null;
        _failure?.Throw();
    }

    public void Dispose()
    {
        _stop = true;
        if (_threads.Length > 0)
        {
            _wake.Release(_threads.Length);
        }

        foreach (var thread in _threads)
        {
            thread.Join();
        }

        _wake.Dispose();
    }

    private bool TakePart()
    {
        while (true)
        {
            long state = Volatile.Read(ref _state);
            long next = state & PartMask;
            if (next >= ((state >> PartBits) & PartMask))
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _state, state + 1, state) != state)
            {
                continue;
            }

            try
            {
                _task!.Execute((int)next);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
            }
            finally
            {
                Interlocked.Increment(ref _done);
            }

            return true;
        }
    }

    private void Work()
    {
        long idleSince = Stopwatch.GetTimestamp();
        while (!_stop)
        {
            if (TakePart())
            {
                idleSince = Stopwatch.GetTimestamp();
                continue;
            }

            if (Stopwatch.GetTimestamp() - idleSince < SpinTicks)
            {
                Thread.SpinWait(10);
                continue;
            }

            // Announce the sleep, then look once more: a task that began in between has seen the announcement or is seen here.
            Interlocked.Increment(ref _sleeping);
            if (!TakePart())
            {
                _wake.Wait();
            }

            Interlocked.Decrement(ref _sleeping);
            idleSince = Stopwatch.GetTimestamp();
        }
    }
}
