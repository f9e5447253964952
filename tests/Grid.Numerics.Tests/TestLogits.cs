namespace Grid.Numerics.Tests;

/// <summary>Seeded rows that look like logits: roughly normal with a few tall peaks, and ties.</summary>
internal static class TestLogits
{
    public static float[] Row(int vocabulary, ulong seed, float spread = 2f)
    {
        float[] row = new float[vocabulary];
        for (int i = 0; i < vocabulary; i++)
        {
            ulong bits = Philox4x32.Draw(seed, i, 1000);
            float sum = 0f;
            for (int k = 0; k < 4; k++)
            {
                sum += (short)(bits >> (16 * k)) / 32768f;
            }

            float peak = bits % 97 == 0 ? 3f : 0f;

            // Steps of 2^-6 make equal logits common.
            row[i] = MathF.Round((sum + peak) * spread * 64f) / 64f;
        }

        return row;
    }
}
