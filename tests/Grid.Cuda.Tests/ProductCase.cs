using Grid.Numerics;

namespace Grid.Cuda.Tests;

/// <summary>What kind of numbers a product is tried with.</summary>
public enum ProductData
{
    /// <summary>As in a model.</summary>
    Usual,

    /// <summary>Exponents anywhere in [-60, 60]: nearly every step drops bits.</summary>
    Wide,

    /// <summary>Subnormal factors, products and sums.</summary>
    Tiny,

    /// <summary>Mostly zeros of both signs, and neighbours that cancel exactly.</summary>
    Cancelling,
}

/// <summary>Operands of a product and the CPU's results of it: chains of <see cref="Dot16"/>, then each epilogue.</summary>
internal sealed class ProductCase
{
    private readonly float[] acc;
    private readonly float[] accUp;

    public ProductCase(ProductData data, int tokens, int width, int outputs)
    {
        (Tokens, Width, Outputs) = (tokens, width, outputs);
        var random = new Random(HashCode(data, tokens, width, outputs));
        Input = Values(random, data, tokens * width, 1.0);
        Weights = Values(random, data, outputs * width, 0.05);
        UpWeights = Values(random, data, outputs * width, 0.05);
        if (data == ProductData.Cancelling)
        {
            Cancel(Input, Weights);
        }

        Bias = Values(random, data, outputs, 1.0);
        Residual = Values(random, data, tokens * outputs, 1.0);
        acc = Chains(Weights);
        accUp = Chains(UpWeights);
    }

    public int Tokens { get; }

    public int Width { get; }

    public int Outputs { get; }

    /// <summary>[Tokens, Width].</summary>
    public ushort[] Input { get; }

    /// <summary>[Outputs, Width]; the gate of a gated product.</summary>
    public ushort[] Weights { get; }

    /// <summary>[Outputs, Width].</summary>
    public ushort[] UpWeights { get; }

    public ushort[] Bias { get; }

    /// <summary>[Tokens, Outputs].</summary>
    public ushort[] Residual { get; }

    public float[] Raw => acc;

    public ushort[] Stored => [.. acc.Select(Bf16.FromSingle)];

    public ushort[] Biased => [.. acc.Select((x, i) => Bf16.FromSingle(x + Bf16.ToSingle(Bias[i % Outputs])))];

    public ushort[] Added => [.. acc.Select((x, i) => Bf16.FromSingle(Bf16.ToSingle(Residual[i]) + x))];

    public ushort[] Gated => [.. acc.Select((x, i) => Bf16.FromSingle(Transcendentals.Silu(x) * accUp[i]))];

    private float[] Chains(ushort[] weights)
    {
        float[] results = new float[Tokens * Outputs];
        Parallel.For(0, Tokens, m =>
        {
            for (int n = 0; n < Outputs; n++)
            {
                results[(m * Outputs) + n] = Dot16.Chain(Input.AsSpan(m * Width, Width), weights.AsSpan(n * Width, Width));
            }
        });
        return results;
    }

    // Even k and the k after it: the same token values, opposite weights, in three of four pairs.
    private void Cancel(ushort[] input, ushort[] weights)
    {
        for (int k = 0; k + 1 < Width; k += 2)
        {
            if (k / 2 % 4 == 3)
            {
                continue;
            }

            for (int m = 0; m < Tokens; m++)
            {
                input[(m * Width) + k + 1] = input[(m * Width) + k];
            }

            for (int n = 0; n < Outputs; n++)
            {
                weights[(n * Width) + k + 1] = (ushort)(weights[(n * Width) + k] ^ 0x8000);
            }
        }
    }

    internal static ushort[] Values(Random random, ProductData data, int count, double scale)
    {
        ushort[] values = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            ushort usual = Bf16.FromSingle(
                (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * scale));
            int sign = random.Next(2) << 15, fraction = random.Next(128);
            values[i] = data switch
            {
                ProductData.Usual => usual,
                ProductData.Wide => (ushort)(sign | (random.Next(127 - 60, 127 + 61) << 7) | fraction),
                ProductData.Tiny => (ushort)(sign | (random.Next(4) * random.Next(40) << 7) | fraction),
                ProductData.Cancelling => random.Next(3) > 0 ? (ushort)sign : usual,
                _ => throw new ArgumentOutOfRangeException(nameof(data)),
            };
            if (data == ProductData.Tiny && scale < 1.0 && random.Next(2) == 0)
            {
                values[i] = (ushort)(sign | (random.Next(100, 131) << 7) | fraction); // brings subnormal factors into range
            }
        }

        return values;
    }

    private static int HashCode(ProductData data, int tokens, int width, int outputs) =>
        (((((int)data * 1009) + tokens) * 1009) + width) * 1009 + outputs;
}
