using System.Runtime.InteropServices;
using Grid.Models.Operations;

namespace Grid.Benchmarks.Overhead;

/// <summary>
/// Another device's operations until <see cref="IsFree"/> is set (a node tests and loads its device first); from then on a
/// step computes nothing, lasts a given time in which the CPU is idle, as with a GPU, and samples plain tokens.
/// </summary>
internal sealed partial class FreeOperations(IOperations inner, double stepMilliseconds) : DelegatingOperations(inner)
{
    /// <summary>The demo model's tokens from the first to below the second are text; those before and after may not be.</summary>
    private const int FirstToken = 300;
    private const int EndToken = 4000;

    public bool IsFree { get; set; }

    public override string DeviceDescription => $"nothing ({base.DeviceDescription} for the self-test)";

    public override void ClearPages(KvCache cache, ReadOnlySpan<int> pages)
    {
        if (!IsFree)
        {
            base.ClearPages(cache, pages);
        }
    }

    public override void RunStep(BatchLayout batch, Action pass)
    {
        if (!IsFree)
        {
            base.RunStep(batch, pass);
        }
        else if (stepMilliseconds > 0)
        {
            var time = new TimeSpec(0, (long)(stepMilliseconds * 1e6));
            _ = Sleep(in time, 0);
        }
    }

    public override void Project(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue)
    {
        if (!IsFree)
        {
            base.Project(input, rows, weight, in epilogue);
        }
    }

    public override void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results)
    {
        if (!IsFree)
        {
            base.Sample(logits, rows, results);
            return;
        }

        for (int i = 0; i < rows.Length; i++)
        {
            ulong draw = ((rows[i].Parameters.Seed * 0x9E3779B97F4A7C15) + (ulong)rows[i].Position) * 0xD1B54A32D192ED03;
            results[i] = new SampledToken(FirstToken + (int)((draw >> 32) % (EndToken - FirstToken)), float.NaN, [], NonFinite: false);
        }
    }

    /// <summary>Thread.Sleep knows whole milliseconds only.</summary>
    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in TimeSpec time, nint remaining);

    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
