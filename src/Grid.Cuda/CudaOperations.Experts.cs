using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Operations;
using Grid.Models.Operations;

namespace Grid.Cuda;

/// <content>Mixtures of experts.</content>
public sealed partial class CudaOperations
{
    /// <inheritdoc/>
    protected override void RouteCore(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing) =>
        kernels.Experts.Route(
            stream,
            new RouteOperands
            {
                Input = Data(input),
                Router = ((CudaMatrix)router).Tiles,
                RowCount = inputs.RowCount,
                Rows = routing.Rows,
                Width = router.Columns,
                Normalize = spec.Normalize,
                Routing = ((CudaExpertRouting)routing).Memory,
            },
            Early);

    /// <inheritdoc/>
    protected override void ProjectExpertsCore(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue)
    {
        ExpertRoutingMemory memory = ((CudaExpertRouting)routing).Memory;
        var tiles = ((CudaExpertMatrix)weight).Tiles;
        if (epilogue.Kind == EpilogueKind.GatedSilu)
        {
            kernels.Experts.GatedSilu(stream, memory, Data(input), tiles, weight.Columns, weight.Rows, Data(epilogue.Target!), Early);
        }
        else
        {
            kernels.Experts.AddDown(stream, memory, Data(input), tiles, weight.Columns, Data(epilogue.Target!), Early);
        }
    }
}
