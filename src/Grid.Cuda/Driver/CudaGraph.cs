using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>Launches and copies captured from a stream, given to the GPU again by one call.</summary>
internal sealed unsafe class CudaGraph : DriverHandle<CUgraphExec>
{
    private CudaGraph(CudaContext context, CUgraphExec handle)
        : base(context) => Handle = handle;

    /// <summary>
    /// Captures what the body gives to the stream; nothing of it runs. The body must not wait for the GPU nor allocate on it.
    /// Other threads may use the GPU meanwhile.
    /// </summary>
    public static CudaGraph Capture(CudaContext context, CudaStream stream, Action body)
    {
        var graph = CaptureOnly(stream, body);
        try
        {
            CUgraphExec instance;
            CudaException.Check(cuGraphInstantiateWithFlags(&instance, graph, 0), nameof(cuGraphInstantiateWithFlags));
            return new CudaGraph(context, instance);
        }
        finally
        {
            CudaException.Check(cuGraphDestroy(graph), nameof(cuGraphDestroy));
        }
    }

    /// <summary>Gives all of it to the stream; allocates nothing.</summary>
    public void Launch(CudaStream stream) => CudaException.Check(cuGraphLaunch(Handle, stream.Handle), nameof(cuGraphLaunch));

    /// <summary>
    /// Takes new arguments and shapes from another capture of the same kernels in the same order.
    /// </summary>
    /// <returns>False, and nothing changed, when the capture differs in more than that.</returns>
    public bool TryUpdate(CudaStream stream, Action body)
    {
        var instance = Handle;
        var graph = CaptureOnly(stream, body);
        try
        {
            CUgraphExecUpdateResultInfo info;
            var result = cuGraphExecUpdate_v2(instance, graph, &info);
            if (result == CUresult.CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE)
            {
                return false;
            }

            CudaException.Check(result, nameof(cuGraphExecUpdate_v2));
            return true;
        }
        finally
        {
            CudaException.Check(cuGraphDestroy(graph), nameof(cuGraphDestroy));
        }
    }

    private protected override void Destroy(CUgraphExec handle) => CudaException.Check(cuGraphExecDestroy(handle), nameof(cuGraphExecDestroy));

    private static CUgraph CaptureOnly(CudaStream stream, Action body)
    {
        CudaException.Check(
            cuStreamBeginCapture_v2(stream.Handle, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
            nameof(cuStreamBeginCapture_v2));
        CUgraph graph = default;
        try
        {
            body();
        }
        catch
        {
            // The stream must leave its capturing state; the body's own error is the one to tell.
            if (cuStreamEndCapture(stream.Handle, &graph) == CUresult.CUDA_SUCCESS && graph != default)
            {
                _ = cuGraphDestroy(graph);
            }

            throw;
        }

        CudaException.Check(cuStreamEndCapture(stream.Handle, &graph), nameof(cuStreamEndCapture));
        return graph;
    }
}
