namespace Grid.Gateway.Access;

/// <summary>What a key is for. The names of the policies of endpoints, too: one without a policy is an operation.</summary>
internal static class Scopes
{
    /// <summary>To have sequences run, and to ask what that takes to know.</summary>
    public const string Inference = "inference";

    /// <summary>To see and change how the grid runs for everybody.</summary>
    public const string Operate = "operate";

    /// <summary>The type of the claims that have a scope for their value.</summary>
    public const string Claim = "scope";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Inference, Operate];
}
