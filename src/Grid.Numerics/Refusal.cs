namespace Grid.Numerics;

/// <summary>
/// Why a request does not run: as data, from where that is found to the edge, which words it once, in the names of its own
/// API.
/// </summary>
public sealed record Refusal
{
    /// <summary>The number of prompt ids, as a <see cref="Field"/>.</summary>
    public const string PromptLength = "PromptIds.Length";

    /// <summary>A token that is biased, as a <see cref="Field"/> with an <see cref="Index"/>.</summary>
    public const string BiasedToken = "LogitBias.TokenId";

    public required RefusalKind Kind { get; init; }

    /// <summary>The property of the request at fault; null where none is.</summary>
    public string? Field { get; init; }

    /// <summary>Which item of it, where it is a list and one is at fault.</summary>
    public int? Index { get; init; }

    /// <summary>What it is; null where that says nothing.</summary>
    public string? Value { get; init; }

    /// <summary>With a value, what it must ("be at least 1"). With a field alone, what is to be said of it ("takes two workers").
    /// With neither, a sentence.</summary>
    public required string Rule { get; init; }

    /// <summary>When the same request may be taken, as far as can be told; null when nobody knows.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A field with a value that no worker takes.</summary>
    public static Refusal Invalid(string field, object? value, string rule, int? index = null) => new()
    {
        Kind = RefusalKind.Invalid,
        Field = field,
        Index = index,
        Value = FormattableString.Invariant($"{value ?? "null"}"),
        Rule = rule,
    };

    /// <summary>A model that no worker serves.</summary>
    /// <param name="field">The request's name for the model.</param>
    /// <param name="model">The model asked for.</param>
    /// <param name="others">What is served instead, where that is to be said: "there is …".</param>
    public static Refusal ModelNotFound(string field, string model, string? others = null) =>
        Invalid(field, model, "be a model that is served" + (others is null ? "" : $"; {others}")) with { Kind = RefusalKind.ModelNotFound };

    /// <summary>Nobody is there to run it just now.</summary>
    /// <param name="reason">A sentence.</param>
    public static Refusal Unavailable(string reason) => new() { Kind = RefusalKind.Unavailable, Rule = reason };

    /// <summary>The refusal in words.</summary>
    /// <param name="field">What the field at fault is called.</param>
    public string Describe(string? field) =>
        field is null ? Rule : Value is null ? $"{field} {Rule}." : $"{field} is {Value}; it must {Rule}.";

    /// <summary>In words, with the request's own name for the place: LogitBias[3].TokenId.</summary>
    public override string ToString()
    {
        int end = Field?.IndexOf('.', StringComparison.Ordinal) is { } dot and >= 0 ? dot : Field?.Length ?? 0;
        return Describe(Index is null ? Field : FormattableString.Invariant($"{Field![..end]}[{Index}]{Field[end..]}"));
    }
}

/// <summary>Kinds of refusal.</summary>
public enum RefusalKind
{
    /// <summary>It can run on no worker of this model: a field is out of range. No retry helps.</summary>
    Invalid = 1,

    /// <summary>No worker serves that model.</summary>
    ModelNotFound = 2,

    /// <summary>Too much waits already; later, or elsewhere, it may run.</summary>
    Overloaded = 3,

    /// <summary>Nobody is there to take it just now: workers or gateways that are lost, draining, hanging or in quarantine.</summary>
    Unavailable = 4,

    /// <summary>It does not fit this worker's KV cache; a larger worker of the same model may take it.</summary>
    TooLarge = 5,

    /// <summary>The sequence itself failed (logits that are not finite, workers that differ and nobody to decide): another run
    /// of the same request would, too.</summary>
    Failed = 6,

    /// <summary>Its client has as much as one may have; later it may run.</summary>
    ClientLimit = 7,

    /// <summary>It ran, its worker was lost, and no other of its model can go on with it. Another run of the same request gives the same
    /// once there is one.</summary>
    WorkerLost = 8,

    /// <summary>Its gateway is shutting down; another one may take it.</summary>
    Draining = 9,

    /// <summary>The model has, or is getting, other weights than the request was made for. Made anew, it runs with those.</summary>
    WeightsChanged = 10,
}

/// <summary>A request is refused.</summary>
public sealed class RefusedException(Refusal refusal) : Exception(refusal.ToString())
{
    /// <summary>Why.</summary>
    public Refusal Refusal { get; } = refusal;
}
