using Grid.Workers;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

/// <summary>How much of what has ended is remembered.</summary>
public sealed class RecentOutputsTests
{
    [Fact]
    public void Of_what_has_ended_the_oldest_is_forgotten_first_and_of_what_runs_nothing()
    {
        var outputs = new RecentOutputs(new FakeTimeProvider(), TimeSpan.FromMinutes(1));
        int[] million = new int[1 << 20];
        Guid[] names = [.. Enumerable.Range(0, 8).Select(_ => Guid.NewGuid())];
        AttemptOutput[] attempts = [.. names.Select(name => outputs.Begin(name, million))];
        bool[] Known() => [.. names.Select(name => outputs.Find(name, 1).Length > 0)];
        foreach (var attempt in attempts[..4])
        {
            outputs.End(attempt); // 4 Mi ids of 4 bytes.
        }

        Assert.Equal([true, true, true, true, true, true, true, true], Known());
        outputs.End(attempts[4]);
        Assert.Equal([false, true, true, true, true, true, true, true], Known());
        outputs.End(attempts[5]);
        Assert.Equal([false, false, true, true, true, true, true, true], Known());
    }
}
