namespace Grid.Sequences;

/// <summary>What each client may have at a gateway.</summary>
public interface IClientQuotas
{
    /// <summary>What a client may have now.</summary>
    /// <param name="client">As a sequence names it (<see cref="Grains.Messages.SequenceSpec.Client"/>).</param>
    ClientQuota Of(string client);
}

/// <summary>What one client may have; null for as much as there is.</summary>
/// <param name="MaxRequests">Sequences that run and wait at a time.</param>
/// <param name="MaxTokens">Tokens a minute, of prompts and outputs.</param>
/// <param name="MaxRequestsPerMinute">Sequences that begin in a minute.</param>
public sealed record ClientQuota(int? MaxRequests, int? MaxTokens, int? MaxRequestsPerMinute);

/// <summary>What is left of it.</summary>
/// <param name="Quota">What it may have.</param>
/// <param name="Requests">Sequences that may begin now.</param>
/// <param name="RequestsReset">When a whole minute's may begin again.</param>
/// <param name="Tokens">Tokens that it may have now.</param>
/// <param name="TokensReset">When it may have a whole minute's again.</param>
public readonly record struct ClientAllowance(ClientQuota Quota, int Requests, TimeSpan RequestsReset, int Tokens, TimeSpan TokensReset);

/// <summary>The same for all.</summary>
internal sealed class EqualQuotas(Microsoft.Extensions.Options.IOptions<SequencesOptions> options) : IClientQuotas
{
    public ClientQuota Of(string client) => new(options.Value.MaxClientRequests, options.Value.MaxClientTokens, options.Value.MaxClientRequestsPerMinute);
}
