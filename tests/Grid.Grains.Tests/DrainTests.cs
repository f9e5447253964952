using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests;

/// <summary>A node that is asked to stop.</summary>
public sealed class DrainTests : IDisposable
{
    private readonly ApplicationLifetime _lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly FakeTimeProvider _time = new();
    private readonly DrainOptions _options = new();
    private readonly FakeDevice _device = new();
    private readonly Drain _drain;

    public DrainTests() => _drain = Create(_device);

    [Fact]
    public async Task A_silo_waits_for_the_sequences_of_its_clients_and_takes_no_more()
    {
        var first = _drain.TryEnter();
        var second = _drain.TryEnter();
        first!.Dispose();
        first.Dispose(); // Counts once.
        _lifetime.StopApplication();
        Assert.Null(_drain.TryEnter());
        var stopping = _drain.StoppingAsync(default);
        _device.Empty.SetResult();
        Assert.False(stopping.IsCompleted);
        second!.Dispose();
        await stopping.WaitAsync(Support.TestGrid.Patience);
    }

    [Fact]
    public async Task But_not_longer_than_its_grace_time_and_not_for_none()
    {
        using var none = Create();
        Assert.NotNull(_drain.TryEnter());
        _lifetime.StopApplication();
        await none.StoppingAsync(default).WaitAsync(Support.TestGrid.Patience);
        var stopping = _drain.StoppingAsync(default);
        _time.Advance(_options.Grace - TimeSpan.FromMilliseconds(1));
        Assert.False(_drain.Over.IsCancellationRequested);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(_drain.Over.IsCancellationRequested);
        while (!stopping.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1)); // Those that are told to go on elsewhere have a moment for it.
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Devices_take_nothing_new_at_once_and_end_what_is_left_after_those_who_read_here_were_told()
    {
        var reader = _drain.TryEnter();
        bool isTold = false;
        _drain.Over.Register(() =>
        {
            Assert.False(_device.End.IsCancellationRequested);
            isTold = true;
        });
        _lifetime.StopApplication();
        var stopping = _drain.StoppingAsync(default);
        Assert.True(_device.IsDraining);
        _time.Advance(_options.Grace);
        Assert.True(isTold);
        Assert.False(_device.End.IsCancellationRequested);
        reader!.Dispose();
        await stopping.WaitAsync(Support.TestGrid.Patience);
        Assert.True(_device.End.IsCancellationRequested);
    }

    [Fact]
    public async Task A_device_without_readers_here_has_its_grace_time_all_the_same()
    {
        _lifetime.StopApplication();
        var stopping = _drain.StoppingAsync(default);
        Assert.False(_device.End.IsCancellationRequested);
        _device.Empty.SetResult();
        await stopping.WaitAsync(Support.TestGrid.Patience);
    }

    public void Dispose() => _drain.Dispose();

    private Drain Create(params IDrainable[] devices) =>
        new(_lifetime, devices, Microsoft.Extensions.Options.Options.Create(_options), _time, NullLogger<Drain>.Instance);

    private sealed class FakeDevice : IDrainable
    {
        public bool IsDraining { get; private set; }

        public CancellationToken End { get; private set; }

        public TaskCompletionSource Empty { get; } = new();

        public Task DrainAsync(CancellationToken end)
        {
            (IsDraining, End) = (true, end);
            end.Register(() => Empty.TrySetResult());
            return Empty.Task;
        }
    }
}
