using Grid.Sequences.Routing;

namespace Grid.Grains.Tests.Support;

/// <summary>Says what a test wants of a silo's process.</summary>
internal sealed class FakeSiloProbe : ISiloProbe
{
    public Func<Task<bool>> OnAsked { get; set; } = () => Task.FromResult(false);

    public int Asked { get; private set; }

    public Task<bool> IsGoneAsync(SiloAddress silo)
    {
        Asked++;
        return OnAsked();
    }
}
