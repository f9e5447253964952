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
                Router = ((CudaMatrix)router).Packed,
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
        var memory = ((CudaExpertRouting)routing).Memory;
        var packed = ((CudaExpertMatrix)weight).Packed;
        if (epilogue.Kind == EpilogueKind.GatedSilu)
        {
            kernels.Experts.GatedSilu(stream, memory, Data(input), packed, weight.Columns, weight.Rows, Data(epilogue.Target!), Early);
        }
        else
        {
            kernels.Experts.AddDown(stream, memory, Data(input), packed, weight.Columns, Data(epilogue.Target!), Early);
        }
    }
}
