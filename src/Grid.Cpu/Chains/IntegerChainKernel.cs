using Grid.Numerics;

namespace Grid.Cpu.Chains;

/// <summary>The chain in integers: slow, and right for every value, the extreme ones included.</summary>
internal sealed unsafe class IntegerChainKernel : ChainKernel
{
    public override void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride)
    {
        Span<ushort> a = stackalloc ushort[Dot16.Terms];
        for (int r = 0; r < rows; r++)
        {
            for (int s = 0; s < steps; s++)
            {
                Narrow(x + (r * xStride) + (s * Dot16.Terms), a);
                for (int c = 0; c < Columns; c++)
                {
                    acc[(r * accStride) + c] = Step(weights + ((nint)s * StepWeights), c, a, acc[(r * accStride) + c]);
                }
            }
        }
    }

    /// <summary>One step of one column; what vector forms fall back to.</summary>
    public static float StepLane(ushort* stepWeights, int column, float* x, float acc)
    {
        // Columns of zeros (keys not written yet) are the usual reason to come here, and change nothing.
        uint* lanes = (uint*)stepWeights + column;
        uint any = 0;
        for (int pair = 0; pair < Dot16.Terms / 2; pair++)
        {
            any |= lanes[pair * Columns];
        }

        if ((any & 0x7FFF7FFF) == 0 && float.IsFinite(acc))
        {
            return acc + 0f; // -0 becomes +0, as every step makes it
        }

        Span<ushort> a = stackalloc ushort[Dot16.Terms];
        Narrow(x, a);
        return Step(stepWeights, column, a, acc);
    }

    private static float Step(ushort* stepWeights, int column, ReadOnlySpan<ushort> a, float acc)
    {
        Span<ushort> b = stackalloc ushort[Dot16.Terms];
        uint* lanes = (uint*)stepWeights + column;
        for (int pair = 0; pair < Dot16.Terms / 2; pair++)
        {
            uint both = lanes[pair * Columns];
            b[2 * pair] = (ushort)both;
            b[(2 * pair) + 1] = (ushort)(both >> 16);
        }

        return Dot16.Step(acc, a, b);
    }

    private static void Narrow(float* x, Span<ushort> a)
    {
        for (int i = 0; i < a.Length; i++)
        {
            a[i] = (ushort)(BitConverter.SingleToUInt32Bits(x[i]) >> 16);
        }
    }
}
