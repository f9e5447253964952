namespace Grid.Grains.Tests.Support;

/// <summary>Says what a test wants of a silo's process.</summary>
internal sealed class FakeSiloProbe : ISiloProbe
{
    public Func<Task<bool>> OnAsked { get; set; } = () => Task.FromResult(false);

    public int Asked { get; private set; }

    /// <summary>Whom it was asked for last.</summary>
    public SiloAddress? Silo { get; private set; }

    public Task<bool> IsGoneAsync(SiloAddress silo)
    {
        Asked++;
        Silo = silo;
        return OnAsked();
    }
}
