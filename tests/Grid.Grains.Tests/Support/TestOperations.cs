using Grid.Cpu;
using Grid.Models;
using Grid.Models.Operations;
using Grid.Silo.Devices;
using Grid.Silo.Options;

namespace Grid.Grains.Tests.Support;

/// <summary>A device of a node that can be made to break or to compute wrongly.</summary>
internal sealed class TestDevice(string name) : NodeDevice(name, DeviceDefaults.Cpu)
{
    private volatile bool _breaks;

    public override int MaxLogitRows => 16;

    /// <summary>Whether one of its operations gives other bits than the contract's.</summary>
    public bool IsWrong { get; init; }

    /// <summary>From its self-test on, and even its disposal fails then.</summary>
    public bool IsBroken
    {
        init => _breaks = value;
    }

    /// <summary>Why it cannot be opened; null when it can.</summary>
    public string? Problem { get; init; }

    public override IOperations Open(TextWriter output) => Problem is null
        ? new TestOperations(new CpuOperations(new CpuOptions { Threads = 1 }), () => _breaks, IsWrong)
        : throw new DeviceException(Problem);

    public override void RequireRoom(ModelMemory model)
    {
    }

    public override long KvCacheBytes(ModelMemory model) => 32L << 20;

    public override string? Explain(Exception exception) => exception is InvalidOperationException ? exception.Message : null;

    /// <summary>From its next step on.</summary>
    public void Break() => _breaks = true;
}

/// <summary>Another device's operations, with faults.</summary>
internal sealed class TestOperations(IOperations inner, Func<bool> breaks, bool isWrong) : DelegatingOperations(inner)
{
    public override void BeginStep(BatchLayout batch)
    {
        RequireWhole();
        base.BeginStep(batch);
    }

    public override void RunStep(BatchLayout batch, Action pass)
    {
        RequireWhole();
        base.RunStep(batch, pass);
    }

    public override void RmsNorm(Activation input, in NormSpec norm, Activation output) =>
        base.RmsNorm(input, isWrong ? norm with { Epsilon = norm.Epsilon * 65536 } : norm, output);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        RequireWhole();
    }

    private void RequireWhole()
    {
        if (breaks())
        {
            throw new InvalidOperationException("The test device broke.");
        }
    }
}
