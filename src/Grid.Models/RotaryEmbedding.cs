using Grid.Numerics;

namespace Grid.Models;

/// <summary>
/// The rotation tables of rotary position embeddings: frequency i of head size d is theta^(-2i/d), the angle is position
/// times frequency. Scaling for long contexts changes the frequencies. Computed in double by the contract's own functions and rounded once to fp32, so every host computes
/// the same bits.
/// </summary>
public sealed class RotaryEmbedding
{
    private const double TwoPi = 6.283185307179586; // 0x401921FB54442D18

    private RotaryEmbedding(int positions, int headDim)
    {
        Positions = positions;
        HeadDim = headDim;
        Cos = new float[checked(positions * (headDim / 2))];
        Sin = new float[Cos.Length];
    }

    /// <summary>Positions 0 .. Positions-1.</summary>
    public int Positions { get; }

    /// <summary>The head size; tables have half as many columns.</summary>
    public int HeadDim { get; }

    /// <summary>[Positions, HeadDim/2], row-major.</summary>
    public float[] Cos { get; }

    /// <summary>[Positions, HeadDim/2], row-major.</summary>
    public float[] Sin { get; }

    /// <summary>Computes the tables. headDim is even and theta at least 1.</summary>
    public static RotaryEmbedding Compute(int positions, int headDim, double theta, Llama3RopeScaling? scaling = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(positions, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headDim, 2);
        ArgumentOutOfRangeException.ThrowIfNotEqual(headDim % 2, 0);
        ArgumentOutOfRangeException.ThrowIfLessThan(theta, 1);
        var table = new RotaryEmbedding(positions, headDim);
        double[] frequencies = Frequencies(headDim, theta);
        if (scaling is not null)
        {
            Scale(frequencies, scaling);
        }

        Parallel.For(0, positions, position =>
        {
            int row = position * frequencies.Length;
            for (int i = 0; i < frequencies.Length; i++)
            {
                double angle = position * frequencies[i];
                table.Cos[row + i] = (float)Transcendentals.Cos(angle);
                table.Sin[row + i] = (float)Transcendentals.Sin(angle);
            }
        });
        return table;
    }

    private static void Scale(double[] frequencies, Llama3RopeScaling scaling)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            double turns = scaling.OriginalMaxPositions * frequencies[i] / TwoPi;
            double slow = frequencies[i] / scaling.Factor;
            if (turns < scaling.LowFrequencyFactor)
            {
                frequencies[i] = slow;
            }
            else if (turns <= scaling.HighFrequencyFactor)
            {
                double share = (turns - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
                frequencies[i] = ((1 - share) * slow) + (share * frequencies[i]);
            }
        }
    }

    private static double[] Frequencies(int headDim, double theta)
    {
        double octaves = Transcendentals.Log2(theta);
        double[] frequencies = new double[headDim / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = Transcendentals.Exp2(-(2.0 * i / headDim) * octaves);
        }

        return frequencies;
    }
}
