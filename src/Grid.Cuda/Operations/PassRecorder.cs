using Grid.Cuda.Driver;
using Grid.Models.Operations;

namespace Grid.Cuda.Operations;

/// <summary>
/// Passes over decode batches (one row a sequence) recorded as graphs, one for each pass, bucket of rows and bucket of context. A
/// batch is padded to its bucket: padding rows are token 0 without a slot, in no attention tile and in no expert, so nothing
/// reads what they give.
/// </summary>
internal sealed class PassRecorder(CudaContext context, CudaStream stream, StepInputs inputs, AttentionPlan plan) : IDisposable
{
    private static readonly int[] RowBuckets =
        [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512];

    private readonly Dictionary<Action, RecordedPass> passes = new(ReferenceEqualityComparer.Instance);

    /// <summary>Steps that a recorded pass ran.</summary>
    public long Replays { get; private set; }

    /// <summary>Passes recorded.</summary>
    public long Recordings { get; private set; }

    /// <summary>Uploads a batch and runs the pass as a graph.</summary>
    /// <returns>False, and nothing happened, when the pass must be called: it is new, or the batch is not one of decode rows.</returns>
    public bool TryRun(BatchLayout batch, Action pass)
    {
        int rows = BucketOf(batch);
        if (rows == 0 || !passes.TryGetValue(pass, out var recorded) || recorded.Group == 0)
        {
            return false;
        }

        plan.Count(batch, recorded.Group);
        int segments = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)plan.MaxSegments);
        var shape = plan.BoundedShape(rows, segments);
        if (plan.PrefillTiles > shape.PrefillTiles)
        {
            return false; // some rows found no place for their partial results
        }

        inputs.Upload(batch, plan, shape);
        passes.TryAdd(pass, recorded); // an upload that needed more room made all be forgotten
        Graph(recorded, pass, shape).Launch(stream);
        Replays++;
        return true;
    }

    /// <summary>A pass was called with a batch, and its attention had so many query heads per KV head; 0: it has attentions that
    /// differ in this, and cannot be recorded.</summary>
    public void Learn(Action pass, int group)
    {
        if (!passes.TryGetValue(pass, out var recorded))
        {
            passes.Add(pass, recorded = new RecordedPass());
        }

        recorded.Group = group;
    }

    /// <summary>Forgets everything: some address that passes may use is about to be freed.</summary>
    public void Forget()
    {
        foreach (var recorded in passes.Values)
        {
            recorded.Dispose();
        }

        passes.Clear();
    }

    public void Dispose() => Forget();

    /// <summary>Rows of the batch's bucket; 0: it has none.</summary>
    private static int BucketOf(BatchLayout batch)
    {
        if (batch.SequenceCount != batch.RowCount)
        {
            return 0;
        }

        int index = Array.BinarySearch(RowBuckets, batch.RowCount);
        index = index < 0 ? ~index : index;
        // A model has working memory for the layout's rows and no more.
        return index == RowBuckets.Length ? 0 : Math.Min(RowBuckets[index], batch.TokenIds.Length);
    }

    private CudaGraph Graph(RecordedPass recorded, Action pass, StepShape shape)
    {
        if (!recorded.Graphs.TryGetValue(shape, out var graph))
        {
            graph = CudaGraph.Capture(context, stream, pass);
            recorded.Graphs.Add(shape, graph);
            Recordings++;
        }

        return graph;
    }

    private sealed class RecordedPass : IDisposable
    {
        /// <summary>Query heads per KV head; 0: not known.</summary>
        public int Group { get; set; }

        public Dictionary<StepShape, CudaGraph> Graphs { get; } = [];

        public void Dispose()
        {
            foreach (var graph in Graphs.Values)
            {
                graph.Dispose();
            }

            Graphs.Clear();
        }
    }
}
