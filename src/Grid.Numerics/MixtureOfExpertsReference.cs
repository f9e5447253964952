namespace Grid.Numerics;

/// <summary>
/// Routing of one row to its experts and the sum of what they give: the reference every device must equal bit for bit. The
/// products between the two are ordinary chains.
/// </summary>
public static class MixtureOfExpertsReference
{
    /// <summary>
    /// Slots hold the experts of the largest logits, by (logit descending, id ascending), and their weights: the softmax
    /// over all experts, or over the chosen ones where the architecture renormalises. If a logit is not finite, the slots
    /// hold experts 0, 1, … with weights NaN.
    /// </summary>
    /// <param name="logits">[E] the router's fp32 logits.</param>
    /// <param name="normalize">Whether the weights of the chosen experts sum to one.</param>
    /// <param name="experts">[k] receives the slots' experts; k is at most E.</param>
    /// <param name="weights">[k] receives the slots' weights.</param>
    public static void Route(ReadOnlySpan<float> logits, bool normalize, Span<int> experts, Span<float> weights)
    {
        if (experts.IsEmpty || experts.Length > logits.Length || weights.Length != experts.Length)
        {
            throw new ArgumentException(
                $"{experts.Length} slots with {weights.Length} weights cannot be filled from {logits.Length} experts.", nameof(experts));
        }

        if (!AllFinite(logits))
        {
            for (int slot = 0; slot < experts.Length; slot++)
            {
                (experts[slot], weights[slot]) = (slot, float.NaN);
            }

            return;
        }

        Choose(logits, experts);
        float largest = logits[experts[0]];
        for (int slot = 0; slot < experts.Length; slot++)
        {
            weights[slot] = Share(logits[experts[slot]], largest);
        }

        float sum = normalize ? SlotSum(weights) : ExpertSum(logits, largest);
        for (int slot = 0; slot < weights.Length; slot++)
        {
            weights[slot] /= sum;
        }
    }

    /// <summary>bf16(float(residual) + c) with c = fma(weights[s], outputs[s], c) over ascending slots, from +0.</summary>
    /// <param name="weights">[k] the slots' weights.</param>
    /// <param name="outputs">[k, width] fp32, what the slots' experts give.</param>
    /// <param name="residual">[width] bf16 bits; replaced by the result.</param>
    public static void Combine(ReadOnlySpan<float> weights, ReadOnlySpan<float> outputs, Span<ushort> residual)
    {
        if (outputs.Length != weights.Length * residual.Length)
        {
            throw new ArgumentException(
                $"{weights.Length} slots of {residual.Length} values need {weights.Length * residual.Length} outputs, not {outputs.Length}.",
                nameof(outputs));
        }

        for (int i = 0; i < residual.Length; i++)
        {
            float sum = 0f;
            for (int slot = 0; slot < weights.Length; slot++)
            {
                sum = MathF.FusedMultiplyAdd(weights[slot], outputs[(slot * residual.Length) + i], sum);
            }

            residual[i] = Bf16.FromSingle(Bf16.ToSingle(residual[i]) + sum);
        }
    }

    private static bool AllFinite(ReadOnlySpan<float> logits)
    {
        foreach (float logit in logits)
        {
            if (!float.IsFinite(logit))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Keeps the best so far in order; an equal logit of a later expert goes behind.</summary>
    private static void Choose(ReadOnlySpan<float> logits, Span<int> experts)
    {
        int chosen = 0;
        for (int expert = 0; expert < logits.Length; expert++)
        {
            if (chosen == experts.Length && logits[expert] <= logits[experts[^1]])
            {
                continue;
            }

            int slot = chosen < experts.Length ? chosen++ : chosen - 1;
            for (; slot > 0 && logits[expert] > logits[experts[slot - 1]]; slot--)
            {
                experts[slot] = experts[slot - 1];
            }

            experts[slot] = expert;
        }
    }

    private static float Share(float logit, float largest) => Transcendentals.Exp2((logit - largest) * Transcendentals.Log2E);

    private static float SlotSum(ReadOnlySpan<float> shares)
    {
        float sum = 0f;
        foreach (float share in shares)
        {
            sum += share;
        }

        return sum;
    }

    private static float ExpertSum(ReadOnlySpan<float> logits, float largest)
    {
        var shares = logits.Length <= 1024 ? stackalloc float[logits.Length] : new float[logits.Length];
        for (int expert = 0; expert < logits.Length; expert++)
        {
            shares[expert] = Share(logits[expert], largest);
        }

        return RowReduction.Sum(shares);
    }
}
