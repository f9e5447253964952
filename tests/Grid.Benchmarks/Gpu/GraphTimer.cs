using Grid.Cuda.Driver;

namespace Grid.Benchmarks.Gpu;

/// <summary>Times launches in a graph.</summary>
internal static class GraphTimer
{
    private const int Replays = 9;

    /// <summary>Microseconds a launch, the median of replays.</summary>
    public static double Median(CudaContext context, CudaStream stream, int launches, Action<int> launch)
    {
        using var graph = CudaGraph.Capture(context, stream, () =>
        {
            for (int i = 0; i < launches; i++)
            {
                launch(i);
            }
        });
        using var start = new CudaEvent(context, timed: true);
        using var end = new CudaEvent(context, timed: true);
        double[] times = new double[Replays];
        for (int i = -2; i < Replays; i++)
        {
            stream.Record(start);
            graph.Launch(stream);
            stream.Record(end);
            stream.Synchronize();
            if (i >= 0)
            {
                times[i] = end.MillisecondsSince(start) * 1000.0 / launches;
            }
        }

        Array.Sort(times);
        return times[Replays / 2];
    }
}
