namespace Grid.Models.Identity;

/// <summary>
/// What decides a model's bits: two workers may serve the same sequence exactly when their ids are equal. Returned with
/// every response as system_fingerprint.
/// </summary>
/// <param name="ContractVersion">The numeric contract's version.</param>
/// <param name="ModelDigest">The <see cref="Identity.ModelDigest"/>, in lower-case hexadecimal.</param>
public sealed record NumericsId(string ContractVersion, string ModelDigest)
{
    /// <summary>grid-{contract version}-{model digest}.</summary>
    public override string ToString() => $"grid-{ContractVersion}-{ModelDigest}";
}
