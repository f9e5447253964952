namespace Grid.Models.Operations;

/// <summary>
/// The only seam between models and hardware: the operations of the numeric contract (see CONTRACT.md of Grid.Numerics) on one
/// device. Implementations agree bit for bit. What an operation computes is told by records (<see cref="Epilogue"/>,
/// <see cref="AttentionSpec"/>, …), whose fields a device honours or refuses. Devices derive from <see cref="DeviceOperations"/>,
/// which checks operands; what wraps a device derives from <see cref="DelegatingOperations"/>. Calls are made one after another,
/// never from two threads at once; from a <see cref="BeginStep"/> or <see cref="RunStep"/> to the next they all refer to the same
/// <see cref="BatchLayout"/>, whose rows are the first RowCount rows of every activation. What the operations allocated is freed
/// with them; matrices, KV caches and logits buffers may be freed earlier.
/// </summary>
public interface IOperations : IDisposable
{
    /// <summary>The device in words, for logs and status.</summary>
    string DeviceDescription { get; }

    // ---- Load time -------------------------------------------------------------------------------------------

    /// <summary>Uploads matrices with equal Columns, stacked by rows into one (q, k and v).</summary>
    WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts);

    /// <summary>Uploads gate and up, [N, K] each, for <see cref="EpilogueKind.GatedSilu"/>; Rows of the result is N.</summary>
    WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up);

    /// <summary>Uploads a matrix for every expert, [N, K] each, in the experts' order.</summary>
    ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts);

    /// <summary>Uploads gate and up of every expert, [N, K] each, for <see cref="EpilogueKind.GatedSilu"/>; Rows of the
    /// result is N.</summary>
    ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups);

    /// <summary>Uploads vectors, one after the other, as one (the biases of q, k and v).</summary>
    WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts);

    /// <summary>Puts other values into an uploaded matrix, at the same place of the device, while no step is under way: parts as they were
    /// uploaded, or gate and up. When it throws, the values are of neither kind.</summary>
    void Replace(WeightMatrix weights, params ReadOnlySpan<TensorSource> sources);

    /// <inheritdoc cref="Replace(WeightMatrix, ReadOnlySpan{TensorSource})"/>
    /// <param name="weights">What was uploaded.</param>
    /// <param name="sources">The experts' matrices; of gated ones, all gates and then all ups.</param>
    void Replace(ExpertMatrix weights, params ReadOnlySpan<TensorSource> sources);

    /// <inheritdoc cref="Replace(WeightMatrix, ReadOnlySpan{TensorSource})"/>
    void Replace(WeightVector weights, params ReadOnlySpan<TensorSource> sources);

    /// <summary>Uploads fp32 cos and sin, [positions, headDim/2] each, row-major.</summary>
    RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim);

    /// <summary>Allocates working memory.</summary>
    Activation AllocateActivation(int maxRows, int width);

    /// <summary>Allocates a logits buffer.</summary>
    LogitsBuffer AllocateLogits(int maxRows, int width);

    /// <summary>Allocates the routing of up to maxRows rows to slots of experts whose outputs are width wide.</summary>
    ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width);

    /// <summary>Allocates zeroed KV pages.</summary>
    KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages);

    /// <summary>Bytes of device memory one KV page takes for these dimensions.</summary>
    long KvPageBytes(int layers, int kvHeads, int headDim);

    // ---- One step --------------------------------------------------------------------------------------------

    /// <summary>Fills whole pages with zeros in every layer. The engine calls it for every page that is used again,
    /// before the pass that first writes it, so that unused slots hold zeros.</summary>
    void ClearPages(KvCache cache, ReadOnlySpan<int> pages);

    /// <summary>Takes the batch that the following calls work on.</summary>
    void BeginStep(BatchLayout batch);

    /// <summary>
    /// Takes the batch and runs a forward pass over it: <see cref="BeginStep"/>, then the pass. A pass always makes the same calls
    /// with the same operands; only the batch differs. So a device may record what the pass gives it and repeat that for a
    /// later batch without calling the pass again, which is recognised by its delegate: keep one for every KV cache. The pass
    /// neither reads results nor allocates nor works on a list of rows; products over the rows of logits and
    /// <see cref="Sample"/> may follow outside.
    /// </summary>
    void RunStep(BatchLayout batch, Action pass);

    /// <summary>output[r] = table[TokenIds[r]]; the table is an uploaded [vocabulary, width] matrix.</summary>
    void Embed(WeightMatrix table, Activation output);

    /// <summary>output[r] = norm of input[r].</summary>
    void RmsNorm(Activation input, in NormSpec norm, Activation output);

    /// <summary>
    /// Row i of the epilogue's target = epilogue(input[rows[i]] * W^T). A gated matrix ends in
    /// <see cref="EpilogueKind.GatedSilu"/>, any other in none of it. Target and input are never the same.
    /// </summary>
    void Project(Activation input, RowList rows, WeightMatrix weight, in Epilogue epilogue);

    /// <summary>Chooses every row's experts by the logits input * Router^T. The router is an uploaded [experts, width] matrix.</summary>
    void Route(Activation input, WeightMatrix router, in RoutingSpec spec, ExpertRouting routing);

    /// <summary>
    /// Products of each row with the matrices of its experts; the routing is that of this step's rows.
    /// <list type="bullet">
    /// <item><see cref="EpilogueKind.GatedSilu"/>: target[r] = bf16(silu(input[r] * Gate^T) * (input[r] * Up^T)) for each of the
    /// row's experts, the slots' results side by side, [slots * N].</item>
    /// <item><see cref="EpilogueKind.Add"/>: target[r] = bf16(float(target[r]) + c), c the sum over slots, ascending, of the slot's
    /// weight times input[r, slot] * W^T of the slot's expert: c = fma(weight, fp32 product, c) from +0. Input rows are
    /// [slots * K], and N is the routing's width.</item>
    /// </list>
    /// There are no others.
    /// </summary>
    void ProjectExperts(Activation input, ExpertRouting routing, ExpertMatrix weight, in Epilogue epilogue);

    /// <summary>
    /// qkv rows are [q heads | k heads | v heads] of headDim each. Leaves the rotated q in place and writes k, rotated, and v into
    /// the layer's pages; what is left of k in the row is the device's affair.
    /// </summary>
    void RotateAndStore(Activation qkv, in RotarySpec rotary, KvLayer layer);

    /// <summary>Attention of every row's q heads (in qkv) over the layer's pages; output rows are [QueryHeads * headDim].</summary>
    void Attend(Activation qkv, in AttentionSpec attention, KvLayer layer, Activation output);

    /// <summary>Samples or scores rows of the logits buffer, each by its own parameters.</summary>
    void Sample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows, Span<SampledToken> results);

    /// <summary>Whether steps may be given to the device before it has done those before: <see cref="BeginSample"/> returns at once,
    /// and a batch may name tokens that are not known yet (<see cref="BatchLayout.TokenIds"/>).</summary>
    bool RunsAhead { get; }

    /// <summary>Gives the device what <see cref="Sample"/> does, and does not wait; at most two are under way. Only where
    /// <see cref="RunsAhead"/>.</summary>
    void BeginSample(LogitsBuffer logits, ReadOnlySpan<SamplingRow> rows);

    /// <summary>Waits for the results of the <see cref="BeginSample"/> that is longest under way, one for each of its rows.</summary>
    StepTime EndSample(Span<SampledToken> results);

    // ---- Tests and tools -------------------------------------------------------------------------------------

    /// <summary>Copies the first rows of an activation to the host as bf16 bits.</summary>
    void Read(Activation source, int rows, Span<ushort> destination);

    /// <summary>Copies the first rows of a logits buffer to the host.</summary>
    void Read(LogitsBuffer source, int rows, Span<float> destination);

    /// <summary>Copies the routing of the first rows to the host: [rows * slots] experts and weights.</summary>
    void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights);
}
