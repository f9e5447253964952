using System.Runtime.CompilerServices;

namespace Grid.Models.Operations;

/// <summary>
/// The operations of a device: every operand is checked here, once for all devices, before the device's own part (…Core) sees it. A
/// device adds only what is its own: head sizes, multiples, memory.
/// </summary>
/// <remarks>
/// Records with fields that the device does not know are refused (<see cref="KnownFields"/>). Inside a pass of
/// <see cref="RunStep"/>, which a device may record, nothing is uploaded, allocated, sampled or read. Checks allocate nothing
/// unless they refuse.
/// </remarks>
public abstract partial class DeviceOperations : IOperations
{
    private readonly FieldCheck<NormSpec> _normFields;
    private readonly FieldCheck<RowList> _rowListFields;
    private readonly FieldCheck<Epilogue> _epilogueFields;
    private readonly FieldCheck<RoutingSpec> _routingFields;
    private readonly FieldCheck<RotarySpec> _rotaryFields;
    private readonly FieldCheck<AttentionSpec> _attentionFields;
    private bool _inPass;

    /// <param name="known">What the device honours of the operands' records.</param>
    protected DeviceOperations(KnownFields known)
    {
        ArgumentNullException.ThrowIfNull(known);
        _normFields = known.CheckOf<NormSpec>();
        _rowListFields = known.CheckOf<RowList>();
        _epilogueFields = known.CheckOf<Epilogue>();
        _routingFields = known.CheckOf<RoutingSpec>();
        _rotaryFields = known.CheckOf<RotarySpec>();
        _attentionFields = known.CheckOf<AttentionSpec>();
    }

    /// <inheritdoc/>
    public abstract string DeviceDescription { get; }

    // ---- Load time -------------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public WeightMatrix UploadMatrix(params ReadOnlySpan<TensorSource> parts)
    {
        RequireOutsidePass();
        RequireSome(parts.Length, nameof(parts), "matrix");
        foreach (var part in parts)
        {
            RequireColumns(part, parts[0].Columns);
        }

        return UploadMatrixCore(parts);
    }

    /// <inheritdoc/>
    public WeightMatrix UploadGatedMatrix(TensorSource gate, TensorSource up)
    {
        RequireOutsidePass();
        RequireGated(gate, up);
        return UploadGatedMatrixCore(gate, up);
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadExperts(ReadOnlySpan<TensorSource> experts)
    {
        RequireOutsidePass();
        RequireSome(experts.Length, nameof(experts), "expert");
        foreach (var expert in experts)
        {
            RequireShape(expert, experts[0]);
        }

        return UploadExpertsCore(experts);
    }

    /// <inheritdoc/>
    public ExpertMatrix UploadGatedExperts(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups)
    {
        RequireOutsidePass();
        RequireSome(gates.Length, nameof(gates), "expert");
        if (gates.Length != ups.Length)
        {
            throw new ArgumentException($"There are {gates.Length} gates and {ups.Length} ups; every expert needs one of each.", nameof(ups));
        }

        for (int e = 0; e < gates.Length; e++)
        {
            RequireShape(gates[e], gates[0]);
            RequireGated(gates[e], ups[e]);
        }

        return UploadGatedExpertsCore(gates, ups);
    }

    /// <inheritdoc/>
    public WeightVector UploadVector(params ReadOnlySpan<TensorSource> parts)
    {
        RequireOutsidePass();
        RequireSome(parts.Length, nameof(parts), "vector");
        foreach (var part in parts)
        {
            if (part.Rows != 1)
            {
                throw new ArgumentException($"{part.Name} is [{string.Join(", ", part.Shape)}]; a vector has one row.", nameof(parts));
            }
        }

        return UploadVectorCore(parts);
    }

    /// <inheritdoc/>
    public void Replace(WeightMatrix weights, params ReadOnlySpan<TensorSource> sources)
    {
        RequireOutsidePass();
        ArgumentNullException.ThrowIfNull(weights);
        int rows = 0;
        foreach (var source in sources)
        {
            RequireColumns(source, weights.Columns);
            rows += source.Rows;
        }

        RequireAll(weights.Name, rows, weights.Rows * (weights.Gated ? 2 : 1));
        if (weights.Gated)
        {
            RequireAll(weights.Name, sources.Length, 2);
            RequireGated(sources[0], sources[1]);
        }

        ReplaceCore(weights, sources);
    }

    /// <inheritdoc/>
    public void Replace(ExpertMatrix weights, params ReadOnlySpan<TensorSource> sources)
    {
        RequireOutsidePass();
        ArgumentNullException.ThrowIfNull(weights);
        RequireAll(weights.Name, sources.Length, weights.Experts * (weights.Gated ? 2 : 1));
        foreach (var source in sources)
        {
            RequireColumns(source, weights.Columns);
            RequireAll(source.Name, source.Rows, weights.Rows);
        }

        ReplaceCore(weights, sources);
    }

    /// <inheritdoc/>
    public void Replace(WeightVector weights, params ReadOnlySpan<TensorSource> sources)
    {
        RequireOutsidePass();
        ArgumentNullException.ThrowIfNull(weights);
        int length = 0;
        foreach (var source in sources)
        {
            RequireAll(source.Name, source.Rows, 1);
            length += source.Columns;
        }

        RequireAll(weights.Name, length, weights.Length);
        ReplaceCore(weights, sources);
    }

    /// <inheritdoc/>
    public RotaryTable UploadRotary(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim)
    {
        RequireOutsidePass();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(positions);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 2);
        long length = (long)positions * (headDim / 2);
        if (cos.Length != length || sin.Length != length)
        {
            throw new ArgumentException(
                $"cos has {cos.Length} and sin {sin.Length} values; {positions} positions of head size {headDim} need {length}.", nameof(cos));
        }

        return UploadRotaryCore(cos, sin, positions, headDim);
    }

    /// <inheritdoc/>
    public Activation AllocateActivation(int maxRows, int width)
    {
        RequireOutsidePass();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        return AllocateActivationCore(maxRows, width);
    }

    /// <inheritdoc/>
    public LogitsBuffer AllocateLogits(int maxRows, int width)
    {
        RequireOutsidePass();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        return AllocateLogitsCore(maxRows, width);
    }

    /// <inheritdoc/>
    public ExpertRouting AllocateRouting(int maxRows, int experts, int slots, int width)
    {
        RequireOutsidePass();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(experts);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        return slots > 0 && slots <= experts
            ? AllocateRoutingCore(maxRows, experts, slots, width)
            : throw new ArgumentOutOfRangeException(nameof(slots), slots, $"slots must be from 1 to the number of experts ({experts}).");
    }

    /// <inheritdoc/>
    public KvCache AllocateKvCache(int layers, int kvHeads, int headDim, int pages)
    {
        RequireOutsidePass();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(kvHeads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDim);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pages);
        return AllocateKvCacheCore(layers, kvHeads, headDim, pages);
    }

    /// <inheritdoc/>
    public abstract long KvPageBytes(int layers, int kvHeads, int headDim);

    // ---- Tests and tools -------------------------------------------------------------------------------------

    /// <inheritdoc/>
    public void Read(Activation source, int rows, Span<ushort> destination)
    {
        RequireOutsidePass();
        RequireRead(rows, source.MaxRows, (long)rows * source.Width, destination.Length);
        ReadCore(source, rows, destination);
    }

    /// <inheritdoc/>
    public void Read(LogitsBuffer source, int rows, Span<float> destination)
    {
        RequireOutsidePass();
        RequireRead(rows, source.MaxRows, (long)rows * source.Width, destination.Length);
        ReadCore(source, rows, destination);
    }

    /// <inheritdoc/>
    public void Read(ExpertRouting source, int rows, Span<int> experts, Span<float> weights)
    {
        RequireOutsidePass();
        RequireRead(rows, source.MaxRows, (long)rows * source.Slots, Math.Min(experts.Length, weights.Length));
        ReadCore(source, rows, experts, weights);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees everything that the operations allocated.</summary>
    protected abstract void Dispose(bool disposing);

    // ---- The device's part -----------------------------------------------------------------------------------

    /// <summary>Uploads matrices of one width.</summary>
    protected abstract WeightMatrix UploadMatrixCore(ReadOnlySpan<TensorSource> parts);

    /// <summary>Uploads two matrices of one shape.</summary>
    protected abstract WeightMatrix UploadGatedMatrixCore(TensorSource gate, TensorSource up);

    /// <summary>Uploads matrices of one shape.</summary>
    protected abstract ExpertMatrix UploadExpertsCore(ReadOnlySpan<TensorSource> experts);

    /// <summary>Uploads as many gates as ups, of one shape.</summary>
    protected abstract ExpertMatrix UploadGatedExpertsCore(ReadOnlySpan<TensorSource> gates, ReadOnlySpan<TensorSource> ups);

    /// <summary>Uploads vectors.</summary>
    protected abstract WeightVector UploadVectorCore(ReadOnlySpan<TensorSource> parts);

    /// <summary>Puts values of the same shape into a matrix: parts, or gate and up.</summary>
    protected abstract void ReplaceCore(WeightMatrix weights, ReadOnlySpan<TensorSource> sources);

    /// <summary>Puts values of the same shape into experts' matrices: one each, or all gates and then all ups.</summary>
    protected abstract void ReplaceCore(ExpertMatrix weights, ReadOnlySpan<TensorSource> sources);

    /// <summary>Puts values of the same length into a vector.</summary>
    protected abstract void ReplaceCore(WeightVector weights, ReadOnlySpan<TensorSource> sources);

    /// <summary>Uploads tables of [positions, headDim/2] values each.</summary>
    protected abstract RotaryTable UploadRotaryCore(ReadOnlySpan<float> cos, ReadOnlySpan<float> sin, int positions, int headDim);

    /// <summary>Allocates working memory.</summary>
    protected abstract Activation AllocateActivationCore(int maxRows, int width);

    /// <summary>Allocates a logits buffer.</summary>
    protected abstract LogitsBuffer AllocateLogitsCore(int maxRows, int width);

    /// <summary>Allocates a routing of 1 to all experts a row.</summary>
    protected abstract ExpertRouting AllocateRoutingCore(int maxRows, int experts, int slots, int width);

    /// <summary>Allocates zeroed KV pages.</summary>
    protected abstract KvCache AllocateKvCacheCore(int layers, int kvHeads, int headDim, int pages);

    /// <summary>Copies rows that there are to where there is room for them.</summary>
    protected abstract void ReadCore(Activation source, int rows, Span<ushort> destination);

    /// <inheritdoc cref="ReadCore(Activation, int, Span{ushort})"/>
    protected abstract void ReadCore(LogitsBuffer source, int rows, Span<float> destination);

    /// <inheritdoc cref="ReadCore(Activation, int, Span{ushort})"/>
    protected abstract void ReadCore(ExpertRouting source, int rows, Span<int> experts, Span<float> weights);

    private void RequireOutsidePass([CallerMemberName] string operation = "")
    {
        if (_inPass)
        {
            throw new InvalidOperationException(
                $"{operation} inside a pass: a device may record a pass and repeat it, so it neither uploads, allocates, samples nor reads.");
        }
    }

    private static void RequireRead(int rows, int maxRows, long values, int room)
    {
        if (rows < 0 || rows > maxRows)
        {
            throw new ArgumentOutOfRangeException(nameof(rows), rows, $"rows must be from 0 to the {maxRows} that there are.");
        }

        if (room < values)
        {
            throw new ArgumentException($"{rows} rows are {values} values; there is room for {room}.", nameof(rows));
        }
    }

    private static void RequireSome(int count, string name, string what)
    {
        if (count == 0)
        {
            throw new ArgumentException($"There is no {what} to upload.", name);
        }
    }

    private static void RequireAll(string name, int given, int needed)
    {
        if (given != needed)
        {
            throw new ArgumentException($"{given} rows, values or tensors are given to replace {name}, which has {needed}.", nameof(given));
        }
    }

    private static void RequireColumns(TensorSource source, int columns)
    {
        if (source.Columns != columns)
        {
            throw new ArgumentException($"{source.Name} has {source.Columns} columns; stacked matrices need {columns}.", nameof(source));
        }
    }

    private static void RequireGated(TensorSource gate, TensorSource up)
    {
        RequireColumns(up, gate.Columns);
        if (up.Rows != gate.Rows)
        {
            throw new ArgumentException($"{up.Name} has {up.Rows} rows and {gate.Name} {gate.Rows}; gate and up must have as many.", nameof(up));
        }
    }

    private static void RequireShape(TensorSource source, TensorSource first)
    {
        if (source.Rows != first.Rows || source.Columns != first.Columns)
        {
            throw new ArgumentException(
                $"{source.Name} is [{source.Rows}, {source.Columns}] and {first.Name} [{first.Rows}, {first.Columns}]; all experts must have one shape.",
                nameof(source));
        }
    }
}
