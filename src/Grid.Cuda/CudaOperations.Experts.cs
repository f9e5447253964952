using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Operations;
using Grid.Models.Operations;

namespace Grid.Cuda;

/// <content>Mixtures of experts.</content>
public sealed partial class CudaOperations
{
    /// <inheritdoc/>
    public void Route(Activation input, WeightMatrix router, bool normalize, ExpertRouting routing)
    {
        RequirePlain(router);
        RequireWidths(router.Name, router.Rows, router.Columns, input.Width, routing.Experts);
        kernels.Experts.Route(
            stream,
            new RouteOperands
            {
                Input = Data(input),
                Router = ((CudaMatrix)router).Tiles,
                RowCount = inputs.RowCount,
                Rows = Rows,
                Width = router.Columns,
                Normalize = normalize,
                Routing = RoutingMemory(routing),
            },
            Early);
    }

    /// <inheritdoc/>
    public void ProjectExpertsGatedSilu(Activation input, ExpertRouting routing, ExpertMatrix gateUp, Activation output)
    {
        var weight = (CudaExpertMatrix)gateUp;
        if (!weight.Gated)
        {
            throw new ArgumentException($"{weight.Name} was not uploaded as gated experts.", nameof(gateUp));
        }

        RequireRouting(routing, weight);
        RequireWidths(weight.Name, weight.Rows * routing.Slots, weight.Columns, input.Width, output.Width);
        kernels.Experts.GatedSilu(
            stream, RoutingMemory(routing), Data(input), weight.Tiles, weight.Columns, weight.Rows, Data(output), Early);
    }

    /// <inheritdoc/>
    public void ProjectExpertsAdd(Activation input, ExpertRouting routing, ExpertMatrix down, Activation residual)
    {
        var weight = (CudaExpertMatrix)down;
        if (weight.Gated || weight.Rows != routing.Width)
        {
            throw new ArgumentException($"{weight.Name} must be plain experts of {routing.Width} outputs, the routing's width.", nameof(down));
        }

        RequireRouting(routing, weight);
        RequireWidths(weight.Name, weight.Rows, weight.Columns * routing.Slots, input.Width, residual.Width);
        kernels.Experts.AddDown(stream, RoutingMemory(routing), Data(input), weight.Tiles, weight.Columns, Data(residual), Early);
    }

    private static ExpertRoutingMemory RoutingMemory(ExpertRouting routing) => ((CudaExpertRouting)routing).Memory;

    private void RequireRouting(ExpertRouting routing, CudaExpertMatrix weight)
    {
        int routed = RoutingMemory(routing).Rows;
        if (routing.Experts != weight.Experts || routed != Rows)
        {
            throw new ArgumentException(
                $"The routing is of {routed} rows to {routing.Experts} experts; this step has {Rows} rows, and {weight.Name} {weight.Experts} experts.",
                nameof(routing));
        }
    }
}
