using Grid.Sequences;
using Grid.Sequences.Clients;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

/// <summary>Grid clients' sequences on a silo that is asked to stop.</summary>
public sealed class ClientSessionsTests
{
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly FakeTimeProvider _time = new();
    private readonly SequencesOptions _options = new();

    [Fact]
    public async Task A_silo_waits_for_the_sequences_of_its_clients_and_takes_no_more()
    {
        using var grace = Grace();
        var sessions = new ClientSessions(_lifetime, grace);
        Assert.True(sessions.TryEnter());
        Assert.True(sessions.TryEnter());
        sessions.Leave();
        _lifetime.StopApplication();
        Assert.False(sessions.TryEnter());
        var stopping = sessions.StoppingAsync(default);
        Assert.False(stopping.IsCompleted);
        sessions.Leave();
        await stopping.WaitAsync(Support.TestGrid.Patience);
    }

    [Fact]
    public async Task But_not_longer_than_its_grace_time_and_not_for_none()
    {
        using var grace = Grace();
        var sessions = new ClientSessions(_lifetime, grace);
        Assert.True(sessions.TryEnter());
        _lifetime.StopApplication();
        var stopping = sessions.StoppingAsync(default);
        _time.Advance(_options.DrainGrace - TimeSpan.FromMilliseconds(1));
        Assert.False(stopping.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await stopping.WaitAsync(Support.TestGrid.Patience);
        Assert.True(new ClientSessions(_lifetime, grace).StoppingAsync(default).IsCompleted);
    }

    private GraceTime Grace() => new(_lifetime, Microsoft.Extensions.Options.Options.Create(_options), _time);
}
