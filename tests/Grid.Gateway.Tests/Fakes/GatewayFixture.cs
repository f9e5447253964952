namespace Grid.Gateway.Tests.Fakes;

/// <summary>One gateway for the tests of a class.</summary>
public sealed class GatewayFixture : IAsyncLifetime
{
    public GatewayApp Gateway { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Gateway = await GatewayApp.StartAsync();

    public ValueTask DisposeAsync() => Gateway?.DisposeAsync() ?? ValueTask.CompletedTask;
}
