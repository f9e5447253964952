namespace Grid.Numerics.Tests;

/// <summary>The inputs of dot16_capture.cu, made by the same integer generator, and the outputs of the real H100.</summary>
internal static class Dot16Cases
{
    public const int Modes = 16;

    public static readonly (int K, int Rows, int Columns)[] Shapes =
        [(16, 64, 64), (32, 64, 64), (256, 32, 64), (2048, 16, 32), (12288, 8, 32)];

    public static float[] ReadOutputs()
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Captures", "dot16_outputs.bin"));
        float[] outputs = new float[bytes.Length / 4];
        Buffer.BlockCopy(bytes, 0, outputs, 0, bytes.Length);
        return outputs;
    }

    /// <summary>One bf16 input; operand 0 is A (rows), 1 is B (columns).</summary>
    public static ushort Element(int mode, int operand, int row, int k, int kTotal)
    {
        ulong h = Mix(Counter(mode, operand, row, k));
        ulong pick = h >> 40;
        switch (mode)
        {
            case 0:
                int e = 127;
                while (e > 110 && ((h >> (127 - e + 8)) & 1) != 0)
                {
                    e--;
                }

                return Make(h, e);
            case 1: return Make(h, 127 + Spread(h, 20));
            case 2: return Make(h, 127 + Spread(h, 54));
            case 3:
                ulong p = Mix(Counter(mode, operand, row, k & ~1));
                ushort v = Make(p, 127 + Spread(p, 6));
                return operand == 1 && (k & 1) != 0 ? (ushort)(v ^ (0x8000 | ((p >> 50) % 8 == 0 ? 1 : 0))) : v;
            case 4: return (pick % 4) switch { 0 => 0, 1 => 0x8000, 2 => Make(h, 0), _ => Make(h, 127 + Spread(h, 3)) };
            case 5: return k / 16 % 3 == 0 ? Make(h, 127 + Spread(h, 4)) : (ushort)0;
            case 6: return (ushort)(BitConverter.SingleToUInt32Bits((int)(pick % 17) - 8) >> 16);
            case 7: return pick % 10 != 0 ? (ushort)0 : Make(h, 127 + Spread(h, 54));
            case 8: return pick % 100 < 97 ? (ushort)((h & 1) << 15) : Make(h, 127 + Spread(h, 54));
            case 9: return operand == 1 && k >= 16 ? (ushort)((h & 1) << 15) : Make(h, 52 + Spread(h, 2));
            case 10: return Make(h, 55 + Spread(h, 6));
            case 11: return pick % 4 != 0 ? (ushort)0 : Make(h, 61 + Spread(h, 4));
            case 12:
                return pick % 2 == 0 ? Make(h, 127 + Spread(h, 8))
                    : pick % 6 == 1 ? Make(h, 0)
                    : Make(h, 1 + (int)((h >> 16) % 6));
            case 13: return pick % 5 == 0 ? (ushort)0 : Make(h, (pick & 8) != 0 ? 66 + Spread(h, 54) : 127 + Spread(h, 54));
            case 14: return Make(h, pick % 100 == 0 ? 137 : 127 + Spread(h, 2));
            default: return Make(h, 127 + Spread(h, 12) - (k * 24 / kTotal));
        }
    }

    public static ushort[] Matrix(int mode, int operand, int rows, int k)
    {
        ushort[] matrix = new ushort[rows * k];
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < k; i++)
            {
                matrix[(r * k) + i] = Element(mode, operand, r, i, k);
            }
        }

        return matrix;
    }

    private static ulong Counter(int mode, int operand, int row, int k) =>
        ((ulong)mode << 48) ^ ((ulong)operand << 44) ^ ((ulong)row << 24) ^ (ulong)k;

    public static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    private static ushort Make(ulong h, int exponent) =>
        (ushort)(((h & 1) << 15) | ((ulong)exponent << 7) | ((h >> 1) & 127));

    private static int Spread(ulong h, int width) => (int)((h >> 16) % (ulong)((2 * width) + 1)) - width;
}
