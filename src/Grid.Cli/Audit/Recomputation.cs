using System.Text.Json.Nodes;
using Grid.Cli.Servers;
using Grid.Cli.Verification;

namespace Grid.Cli.Audit;

/// <summary>What came of a receipt.</summary>
internal enum Verdict
{
    /// <summary>It holds.</summary>
    Verified,

    /// <summary>It says something that is not so.</summary>
    Refuted,

    /// <summary>Nobody could say: it is malformed, or no server with its bits computed it.</summary>
    Unchecked,
}

/// <summary>What a server found when it computed a receipt again.</summary>
/// <param name="Where">The receipt.</param>
/// <param name="Verdict">What came of it.</param>
/// <param name="Reason">The first difference, or why it was not checked; null where it holds.</param>
/// <param name="Tokens">Tokens that it is about.</param>
/// <param name="SignedBy">SHA-256 of the public key whose signature is right.</param>
internal sealed record Recomputation(string Where, Verdict Verdict, string? Reason, int Tokens, string? SignedBy)
{
    /// <summary>Asks the server. A server that cannot be reached is no verdict: throws <see cref="ServerException"/>.</summary>
    /// <param name="connection">The server.</param>
    /// <param name="path">What computes: v1/verify, or a sequence's replay.</param>
    /// <param name="body">What is asked.</param>
    /// <param name="where">The receipt.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public static async Task<Recomputation> AskAsync(ServerConnection connection, string path, JsonObject body, string where, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await connection.PostAsync(path, body, cancellationToken);
            int tokens = (int?)answer?["tokens"] ?? 0;
            return answer?["difference"] is { } difference ? new Recomputation(where, Verdict.Refuted, Describe(difference), tokens, (string?)answer["signed_by"])
                : (bool?)answer?["verified"] == true ? new Recomputation(where, Verdict.Verified, null, tokens, (string?)answer["signed_by"])
                : new Recomputation(where, Verdict.Unchecked, "the server did not say whether it holds", tokens, null);
        }
        catch (ServerException exception) when (exception.Status is not (0 or 401 or 403))
        {
            return new Recomputation(where, Verdict.Unchecked, exception.Message, 0, null);
        }
    }

    private static string Describe(JsonNode difference)
    {
        string found = $"{difference["field"]}: {difference["expected"]?.ToJsonString() ?? "nothing"} expected, {difference["found"]?.ToJsonString() ?? "nothing"} found";
        return (int?)difference["position"] is { } position ? FormattableString.Invariant($"position {position}, {found}") : found;
    }
}
