namespace Grid.Numerics.Tests;

/// <summary>The inputs of attention_capture.cu, made by the same generator, and the outputs of the real H100.</summary>
internal sealed record AttentionCases(
    int KvHeads, int Group, int Tokens, AttentionCases.Kind Queries, AttentionCases.Kind Keys, AttentionCases.Kind Values, float Scale)
{
    /// <summary>Bell-like, 8 times larger, exponents of 30 either way, half of them zero.</summary>
    internal enum Kind
    {
        Bell,
        Large,
        Wide,
        Sparse,
    }

    public static readonly AttentionCases[] All =
    [
        new(2, 4, 2600, Kind.Bell, Kind.Bell, Kind.Bell, 0.08838834764f),
        new(1, 8, 2100, Kind.Large, Kind.Large, Kind.Bell, 0.04419417382f),
        new(1, 7, 1300, Kind.Sparse, Kind.Bell, Kind.Wide, 1.0f),
        new(3, 1, 1100, Kind.Sparse, Kind.Sparse, Kind.Sparse, 0.125f),
    ];

    private static readonly int[] Positions = [0, 1, 63, 64, 65, 511, 1023, 1024, 1087, 2047, 2048, 2599];

    public int Heads => KvHeads * Group;

    /// <summary>The captured rows, in the order of the file.</summary>
    public IEnumerable<(int Position, int Head)> Rows =>
        from position in Positions
        where position < Tokens
        from head in new[] { 0, Heads - 1 }
        select (position, head);

    /// <summary>Per row of every case its bf16 output and, from position 1024 on, fp32 L and O of the first segment.</summary>
    public static BinaryReader ReadOutputs(int headDim) =>
        new(File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Captures", $"attention_outputs_{headDim}.bin")));

    public ushort[] Query(int position, int head, int headDim) =>
        Elements(1, (((long)position * Heads) + head) * headDim, headDim, Queries);

    /// <summary>Keys of a query head, positions 0 … count - 1.</summary>
    public ushort[] KeysOf(int head, int count, int headDim) => Elements(2, (long)(head / Group) * Tokens * headDim, count * headDim, Keys);

    /// <summary>Values of a query head, positions 0 … count - 1.</summary>
    public ushort[] ValuesOf(int head, int count, int headDim) => Elements(3, (long)(head / Group) * Tokens * headDim, count * headDim, Values);

    private static ushort[] Elements(ulong stream, long first, int count, Kind kind)
    {
        ushort[] elements = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            elements[i] = Element(stream, (ulong)(first + i), kind);
        }

        return elements;
    }

    private static ushort Element(ulong stream, ulong index, Kind kind)
    {
        ulong h = Dot16Cases.Mix(Dot16Cases.Mix(stream) + index);
        int s = (int)(h & 65535) + (int)((h >> 16) & 65535) + (int)((h >> 32) & 65535) + (int)(h >> 48) - 131070;
        if (s == 0 || (kind == Kind.Sparse && (Dot16Cases.Mix(h) & 1) != 0))
        {
            return 0;
        }

        int bits = Bf16.FromSingle(s / 32768f);
        return (ushort)(kind switch
        {
            Kind.Large => bits + (3 << 7),
            Kind.Wide => bits + (((int)(Dot16Cases.Mix(h + 1) % 61) - 30) * 128),
            _ => bits,
        });
    }
}
