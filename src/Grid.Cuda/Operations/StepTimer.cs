using Grid.Cuda.Driver;
using Grid.Models.Operations;

namespace Grid.Cuda.Operations;

/// <summary>How long the GPU was at each step, and how long it had nothing to do before it, by its own clock.</summary>
internal sealed class StepTimer : IDisposable
{
    private const int Turns = 3; // Two steps under way, and the end of the one before them.

    private readonly CudaStream stream;
    private readonly CudaEvent[] began;
    private readonly CudaEvent[] ended;
    private bool hasBegun;
    private long steps; // A GPU passes 2^31 steps within months.
    private long read;

    public StepTimer(CudaContext context, CudaStream stream)
    {
        this.stream = stream;
        began = [.. Enumerable.Range(0, Turns).Select(_ => new CudaEvent(context, timed: true))];
        ended = [.. Enumerable.Range(0, Turns).Select(_ => new CudaEvent(context, timed: true))];
    }

    /// <summary>Before the first thing that a step gives to the stream; of several calls the first counts, so that steps which draw no
    /// token are part of the next one that does.</summary>
    public void Begin()
    {
        if (!hasBegun)
        {
            stream.Record(began[steps % Turns]);
            hasBegun = true;
        }
    }

    /// <summary>After the last.</summary>
    public void End()
    {
        Begin(); // Where a sampling has no forward pass.
        stream.Record(ended[steps++ % Turns]);
        hasBegun = false;
    }

    /// <summary>Waits for the end of the step that ended first and was not read yet.</summary>
    public StepTime Read()
    {
        var (begin, end) = (began[read % Turns], ended[read % Turns]);
        end.Synchronize();
        var idle = read == 0 ? TimeSpan.Zero : TimeSpan.FromMilliseconds(begin.MillisecondsSince(ended[(read - 1) % Turns]));
        read++;
        return new StepTime(TimeSpan.FromMilliseconds(end.MillisecondsSince(begin)), idle);
    }

    public void Dispose()
    {
        foreach (var point in began.Concat(ended))
        {
            point.Dispose();
        }
    }
}
