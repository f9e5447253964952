using Grid.Models;
using Grid.Models.Operations;
using Grid.Silo.Devices;

namespace Grid.FaultySilo;

/// <summary>A device whose norms can be made to depend on the batch: what a kernel does that is chosen by the number of rows.</summary>
internal sealed class FaultyDevice(NodeDevice inner) : NodeDevice(inner.Name, inner.Limits)
{
    private volatile bool _dependsOnBatch;

    public override int MaxLogitRows => inner.MaxLogitRows;

    public override long ExpertOutputBytesLimit => inner.ExpertOutputBytesLimit;

    /// <summary>From the next step on, or no longer. Only for a device that records no passes, a CPU.</summary>
    public void DependOnBatch(bool depends) => _dependsOnBatch = depends;

    public override IOperations Open(TextWriter output) => new BatchDependentOperations(this, inner.Open(output));

    public override void RequireRoom(ModelMemory model) => inner.RequireRoom(model);

    public override long KvCacheBytes(ModelMemory model) => inner.KvCacheBytes(model);

    public override string? Explain(Exception exception) => inner.Explain(exception);

    /// <summary>The epsilon of a norm is another one where the step has more than one row.</summary>
    private sealed class BatchDependentOperations(FaultyDevice device, IOperations inner) : DelegatingOperations(inner)
    {
        private bool _severalRows;

        public override void RunStep(BatchLayout batch, Action pass)
        {
            _severalRows = batch.RowCount > 1;
            base.RunStep(batch, pass);
        }

        public override void RmsNorm(Activation input, in NormSpec norm, Activation output) =>
            base.RmsNorm(input, _severalRows && device._dependsOnBatch ? norm with { Epsilon = norm.Epsilon * 64 } : norm, output);
    }
}
