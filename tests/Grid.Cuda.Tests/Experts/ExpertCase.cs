using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>What kind of logits a routing is tried with.</summary>
public enum LogitData
{
    /// <summary>As in a model.</summary>
    Usual,

    /// <summary>From few values, zeros of both signs among them: nearly every choice is between equal ones.</summary>
    Ties,

    /// <summary>All finite exponents: shares of 0, differences that overflow, subnormals.</summary>
    Wide,

    /// <summary>In every third row a NaN or an infinity.</summary>
    NotFinite,

    /// <summary>All rows want the same experts: one with every row, most with none.</summary>
    OneForAll,
}

/// <summary>
/// A small mixture of experts and the CPU's results of it. Rows repeat a few distinct ones in a random order, so that the results
/// of thousands are known.
/// </summary>
internal sealed class ExpertCase
{
    private const int MaxDistinct = 12;
    private readonly ushort[] distinctInput, distinctResidual;
    private readonly float[] distinctLogits;
    private readonly Routed[] routed;

    public ExpertCase(LogitData logits, int rows, int experts, int slots, int width = 8, int inner = 8, int outputs = 8, bool normalize = true, ProductData data = ProductData.Usual)
    {
        (Rows, Experts, Slots, Width, Inner, Outputs, Normalize) = (rows, experts, slots, width, inner, outputs, normalize);
        var random = new Random((((((rows * 31) + experts) * 31) + slots) * 31) + width + (int)logits);
        int distinct = Math.Min(rows, MaxDistinct);
        Pattern = [.. Enumerable.Range(0, rows).Select(r => r < distinct ? r : random.Next(distinct))];
        distinctLogits = LogitValues(random, logits, distinct, experts);
        distinctInput = ProductCase.Values(random, data, distinct * width, 1.0);
        distinctResidual = ProductCase.Values(random, data, distinct * outputs, 1.0);
        Gates = Weights(random, data, experts * inner * width);
        Ups = Weights(random, data, experts * inner * width);
        Downs = Weights(random, data, experts * outputs * inner);
        routed = new Routed[distinct];
        Parallel.For(0, distinct, i => routed[i] = Compute(i));
    }

    public int Rows { get; }

    public int Experts { get; }

    public int Slots { get; }

    public int Width { get; }

    public int Inner { get; }

    public int Outputs { get; }

    public bool Normalize { get; }

    /// <summary>[Rows] which distinct row each is.</summary>
    public int[] Pattern { get; }

    /// <summary>[Experts, Inner, Width].</summary>
    public ushort[] Gates { get; }

    /// <summary>[Experts, Inner, Width].</summary>
    public ushort[] Ups { get; }

    /// <summary>[Experts, Outputs, Inner].</summary>
    public ushort[] Downs { get; }

    public float[] Logits => Repeat(distinctLogits, Experts);

    public ushort[] Input => Repeat(distinctInput, Width);

    public ushort[] Residual => Repeat(distinctResidual, Outputs);

    public int[] Chosen => [.. Pattern.SelectMany(i => routed[i].Experts)];

    public float[] RouteWeights => [.. Pattern.SelectMany(i => routed[i].Weights)];

    /// <summary>[Rows, Slots, Inner].</summary>
    public ushort[] Gated => [.. Pattern.SelectMany(i => routed[i].Gated)];

    /// <summary>[Rows, Outputs].</summary>
    public ushort[] Added => [.. Pattern.SelectMany(i => routed[i].Added)];

    /// <summary>Entries of the first rows, by (expert, entry), and the items they are cut into.</summary>
    public (int[] Grouped, (int Expert, int First, int Count)[] Items) Group(int rows, int tileTokens)
    {
        int[] chosen = Chosen;
        int[] grouped = [.. Enumerable.Range(0, rows * Slots).OrderBy(entry => chosen[entry])]; // a stable order
        var items = new List<(int, int, int)>();
        for (int first = 0; first < grouped.Length;)
        {
            int expert = chosen[grouped[first]];
            int count = grouped.Skip(first).Take(tileTokens).TakeWhile(entry => chosen[entry] == expert).Count();
            items.Add((expert, first, count));
            first += count;
        }

        return (grouped, [.. items]);
    }

    private Routed Compute(int row)
    {
        var result = new Routed(new int[Slots], new float[Slots], new ushort[Slots * Inner], new ushort[Outputs]);
        MixtureOfExpertsReference.Route(distinctLogits.AsSpan(row * Experts, Experts), Normalize, result.Experts, result.Weights);
        float[] outputs = new float[Slots * Outputs];
        ReadOnlySpan<ushort> x = distinctInput.AsSpan(row * Width, Width);
        for (int slot = 0; slot < Slots; slot++)
        {
            int expert = result.Experts[slot];
            var h = result.Gated.AsSpan(slot * Inner, Inner);
            for (int n = 0; n < Inner; n++)
            {
                int at = ((expert * Inner) + n) * Width;
                h[n] = Bf16.FromSingle(Transcendentals.Silu(Dot16.Chain(x, Gates.AsSpan(at, Width))) * Dot16.Chain(x, Ups.AsSpan(at, Width)));
            }

            for (int n = 0; n < Outputs; n++)
            {
                outputs[(slot * Outputs) + n] = Dot16.Chain(h, Downs.AsSpan(((expert * Outputs) + n) * Inner, Inner));
            }
        }

        // Every other residual takes away what the sum rounds to, so that the sum's last bits are seen.
        var residual = distinctResidual.AsSpan(row * Outputs, Outputs);
        MixtureOfExpertsReference.Combine(result.Weights, outputs, result.Added);
        for (int i = 1; i < Outputs; i += 2)
        {
            residual[i] = float.IsFinite(Bf16.ToSingle(result.Added[i])) ? (ushort)(result.Added[i] ^ 0x8000) : residual[i];
        }

        residual.CopyTo(result.Added);
        MixtureOfExpertsReference.Combine(result.Weights, outputs, result.Added);
        return result;
    }

    private T[] Repeat<T>(T[] distinct, int width)
    {
        var all = new T[Rows * width];
        for (int r = 0; r < Rows; r++)
        {
            distinct.AsSpan(Pattern[r] * width, width).CopyTo(all.AsSpan(r * width));
        }

        return all;
    }

    // Wide and Tiny weights would overflow the inner values; what is wide there is the input.
    private static ushort[] Weights(Random random, ProductData data, int count) =>
        ProductCase.Values(random, data == ProductData.Wide ? ProductData.Usual : data, count, 0.05);

    private static float[] LogitValues(Random random, LogitData kind, int rows, int experts)
    {
        float[] values = new float[rows * experts];
        for (int i = 0; i < values.Length; i++)
        {
            float usual = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 4);
            values[i] = kind switch
            {
                LogitData.Ties => ((float[])[-1f, -0f, 0f, 1f, 1.5f, -2f])[random.Next(i / experts % 2 == 0 ? 6 : 3)],
                LogitData.Wide => BitConverter.UInt32BitsToSingle(((uint)random.Next(2) << 31) | ((uint)random.Next(255) << 23) | (uint)random.Next(1 << 23)),
                LogitData.OneForAll => usual + (i % experts * 37 % experts < 3 ? 50f : 0f),
                _ => usual,
            };
            if (kind == LogitData.NotFinite && i / experts % 3 == 1 && i % experts == i / experts * 5 % experts)
            {
                values[i] = ((float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])[i / experts / 3 % 3];
            }
        }

        return values;
    }

    private sealed record Routed(int[] Experts, float[] Weights, ushort[] Gated, ushort[] Added);
}
