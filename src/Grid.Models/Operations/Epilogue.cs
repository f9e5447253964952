namespace Grid.Models.Operations;

/// <summary>How a product's fp32 chains end.</summary>
public enum EpilogueKind
{
    /// <summary>No epilogue: what an empty <see cref="Epilogue"/> has, and what every device refuses.</summary>
    None,

    /// <summary>bf16(acc), with a bias bf16(acc + bias).</summary>
    Store,

    /// <summary>bf16(float(target) + acc).</summary>
    Add,

    /// <summary>bf16(silu(gate) * up), of a gated matrix.</summary>
    GatedSilu,

    /// <summary>acc, in fp32.</summary>
    Raw,
}

/// <summary>What becomes of a product's fp32 chains, and where: each is rounded once.</summary>
/// <remarks>A new field is optional, and its type's default means that it is absent. Devices that do not name it among their
/// <see cref="KnownFields"/> refuse whoever sets it.</remarks>
public readonly record struct Epilogue
{
    /// <summary>How the chains end.</summary>
    public EpilogueKind Kind { get; private init; }

    /// <summary>The rows written; null for <see cref="EpilogueKind.Raw"/>.</summary>
    public Activation? Target { get; private init; }

    /// <summary>The rows written by <see cref="EpilogueKind.Raw"/>; else null.</summary>
    public LogitsBuffer? Logits { get; private init; }

    /// <summary>[outputs], added in fp32 before <see cref="EpilogueKind.Store"/> rounds; null: none.</summary>
    public WeightVector? Bias { get; init; }

    /// <summary>target = bf16(acc), or bf16(acc + <see cref="Bias"/>).</summary>
    public static Epilogue Store(Activation target) => new() { Kind = EpilogueKind.Store, Target = target };

    /// <summary>residual = bf16(float(residual) + acc).</summary>
    public static Epilogue AddTo(Activation residual) => new() { Kind = EpilogueKind.Add, Target = residual };

    /// <summary>target = bf16(silu(gate) * up).</summary>
    public static Epilogue GatedSilu(Activation target) => new() { Kind = EpilogueKind.GatedSilu, Target = target };

    /// <summary>logits = acc, in fp32.</summary>
    public static Epilogue Raw(LogitsBuffer logits) => new() { Kind = EpilogueKind.Raw, Logits = logits };
}
