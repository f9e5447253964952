namespace Grid.Models.Operations;

// What an operation computes, apart from where its operands lie. A new field is optional, and its type's default means that
// it is absent; devices that do not name it among their KnownFields refuse whoever sets it.

/// <summary>output = bf16(x * (1/sqrt(mean(x^2) + Epsilon)) * Weight), row reduction in the contract's tree.</summary>
/// <param name="Weight">[width]</param>
/// <param name="Epsilon">Added to the mean of squares.</param>
public readonly record struct NormSpec(WeightVector Weight, float Epsilon);

/// <summary>How a row's experts are chosen: slots are ordered by (logit descending, expert id ascending), weights are their
/// softmax.</summary>
/// <param name="Normalize">Over the chosen experts; else over all of them.</param>
public readonly record struct RoutingSpec(bool Normalize);

/// <summary>
/// What happens to q and k heads before the attention: normalised (when there are weights), rotated (halves convention:
/// element i pairs with i + headDim/2), rounded once to bf16.
/// </summary>
/// <param name="QueryHeads">Heads of q; k and v have the KV cache's.</param>
/// <param name="Table">cos and sin for every position of the step.</param>
public readonly record struct RotarySpec(int QueryHeads, RotaryTable Table)
{
    /// <summary>[headDim], of every q head; null: not normalised.</summary>
    public WeightVector? QueryNorm { get; init; }

    /// <summary>[headDim], of every k head; null: not normalised.</summary>
    public WeightVector? KeyNorm { get; init; }

    /// <summary>Added to a head's mean of squares.</summary>
    public float Epsilon { get; init; }
}

/// <summary>Causal attention of a row's q heads over all positions up to its own.</summary>
/// <param name="QueryHeads">Heads of q, a multiple of the KV heads.</param>
/// <param name="Scale">Of the scores, usually 1/sqrt(headDim).</param>
public readonly record struct AttentionSpec(int QueryHeads, float Scale);

/// <summary>The pages of one layer.</summary>
public readonly record struct KvLayer(KvCache Cache, int Layer);
