namespace Grid.Models.Operations;

/// <summary>A [Rows, Columns] bf16 matrix in the device's own packed layout; y = x * W^T.</summary>
public abstract class WeightMatrix(string name, int rows, int columns, bool gated) : IDisposable
{
    /// <summary>The checkpoint's tensor name(s).</summary>
    public string Name { get; } = name;

    /// <summary>Outputs (N); of a gated matrix, of each of gate and up.</summary>
    public int Rows { get; } = rows;

    /// <summary>Inputs (K).</summary>
    public int Columns { get; } = columns;

    /// <summary>Two matrices, gate and up.</summary>
    public bool Gated { get; } = gated;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>A [Rows, Columns] bf16 matrix for each of a layer's experts, in the device's own packed layout.</summary>
public abstract class ExpertMatrix(string name, int experts, int rows, int columns, bool gated) : IDisposable
{
    /// <summary>The checkpoint's tensor name(s), of the first expert.</summary>
    public string Name { get; } = name;

    /// <summary>Matrices.</summary>
    public int Experts { get; } = experts;

    /// <summary>Outputs (N) of each.</summary>
    public int Rows { get; } = rows;

    /// <summary>Inputs (K) of each.</summary>
    public int Columns { get; } = columns;

    /// <summary>Two matrices for each, gate and up.</summary>
    public bool Gated { get; } = gated;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>
/// Which experts every row of a step goes to, with what weights, and whatever the device keeps to group rows by expert.
/// It stays on the device: the host need not know it to issue the experts' products.
/// </summary>
public abstract class ExpertRouting(int maxRows, int experts, int slots, int width)
{
    public int MaxRows { get; } = maxRows;

    /// <summary>Experts to choose from.</summary>
    public int Experts { get; } = experts;

    /// <summary>Experts that each row goes to.</summary>
    public int Slots { get; } = slots;

    /// <summary>Width of the experts' outputs; the device may keep MaxRows * Slots of them until they are combined.</summary>
    public int Width { get; } = width;

    /// <summary>Rows of the step that was routed last; 0 before the first.</summary>
    public int Rows { get; internal set; }
}

/// <summary>A bf16 weight vector (norm scales, biases), widened to fp32 where it is used.</summary>
public abstract class WeightVector(string name, int length)
{
    public string Name { get; } = name;

    public int Length { get; } = length;
}

/// <summary>Working memory: up to MaxRows rows of Width bf16 values.</summary>
public abstract class Activation(int maxRows, int width)
{
    public int MaxRows { get; } = maxRows;

    public int Width { get; } = width;
}

/// <summary>fp32 logits, up to MaxRows rows of Width (vocabulary) values.</summary>
public abstract class LogitsBuffer(int maxRows, int width) : IDisposable
{
    public int MaxRows { get; } = maxRows;

    public int Width { get; } = width;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>
/// Keys and values of all layers in pages of <see cref="Grid.Numerics.AttentionLayout.BlockTokens"/> tokens. A page id
/// names the same slot in every layer. Unused slots hold zeros.
/// </summary>
public abstract class KvCache(int layers, int kvHeads, int headDim, int pages) : IDisposable
{
    public int Layers { get; } = layers;

    public int KvHeads { get; } = kvHeads;

    public int HeadDim { get; } = headDim;

    public int Pages { get; } = pages;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the device memory.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>cos and sin for positions [0, Positions) and HeadDim/2 frequencies, fp32.</summary>
public abstract class RotaryTable(int positions, int headDim)
{
    public int Positions { get; } = positions;

    public int HeadDim { get; } = headDim;
}
