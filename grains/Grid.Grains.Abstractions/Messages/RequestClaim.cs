namespace Grid.Grains.Messages;

/// <summary>The outcome of claiming a kept request.</summary>
[GenerateSerializer, Immutable, Alias("grid.request-claim")]
public sealed record RequestClaim
{
    /// <summary>The claim's number: 1 for the first resumption. What streams the request under a lower one is stale.</summary>
    [Id(0)]
    public required int Epoch { get; init; }

    /// <summary>The gateway that streamed it before.</summary>
    [Id(1)]
    public required string PreviousOwner { get; init; }
}
