using System.Globalization;
using Grid.Numerics;

namespace Grid.Sequences.Routing;

/// <summary>What one client may have at this gateway: sequences at a time, and tokens a minute. Used under the queue's lock.</summary>
internal sealed class ClientLimits(IClientQuotas quotas, TimeProvider time)
{
    /// <summary>Clients remembered that have nothing here, before those are forgotten that may have all again.</summary>
    private const int Remembered = 1024;

    private readonly Dictionary<string, Account> _accounts = new(StringComparer.Ordinal);

    /// <summary>Clients remembered.</summary>
    internal int Clients => _accounts.Count;

    /// <summary>Takes one more of a client's sequences in. Throws <see cref="RefusedException"/> when it has as much as it may have.</summary>
    /// <returns>Whether its tokens count.</returns>
    public bool Enter(string client, int promptTokens)
    {
        var quota = quotas.Of(client);
        if (!_accounts.TryGetValue(client, out var account))
        {
            ForgetFull();
            _accounts.Add(client, account = new Account { Quota = quota, Tokens = quota.MaxTokens ?? 0, At = time.GetTimestamp() });
        }

        account.Quota = quota;
        Refill(account);
        if (account.Sequences >= quota.MaxRequests)
        {
            throw Refuse($"{account.Sequences} sequences of this client run and wait, as many as one may have at a time", TimeSpan.FromSeconds(1));
        }

        if (quota.MaxTokens is { } most && account.Tokens <= 0)
        {
            throw Refuse($"This client has had the {most} tokens that it may have a minute", TimeSpan.FromMinutes((1 - account.Tokens) / most));
        }

        account.Sequences++;
        account.Tokens -= promptTokens;
        return quota.MaxTokens is not null;
    }

    /// <summary>Output tokens of a client came.</summary>
    public void Count(string client, int tokens) => _accounts[client].Tokens -= tokens;

    /// <summary>One of a client's sequences has ended.</summary>
    public void Leave(string client) => _accounts[client].Sequences--;

    /// <summary>What a client may have now.</summary>
    public ClientAllowance AllowanceOf(string client)
    {
        var quota = quotas.Of(client);
        var account = _accounts.GetValueOrDefault(client);
        int most = quota.MaxTokens ?? 0;
        double tokens = account is null ? most : Math.Min(most, TokensNow(account));
        return new ClientAllowance(
            quota, Math.Max(0, (quota.MaxRequests ?? 0) - (account?.Sequences ?? 0)), (int)Math.Max(0, tokens),
            most == 0 ? TimeSpan.Zero : TimeSpan.FromMinutes((most - tokens) / most));
    }

    /// <summary>What was not had in the last minute is not saved for later.</summary>
    private void Refill(Account account) => (account.Tokens, account.At) = (TokensNow(account), time.GetTimestamp());

    private double TokensNow(Account account)
    {
        int most = account.Quota.MaxTokens ?? 0;
        return Math.Min(most, account.Tokens + (time.GetElapsedTime(account.At).TotalMinutes * most));
    }

    private void ForgetFull()
    {
        if (_accounts.Count >= Remembered)
        {
            foreach (var (client, account) in _accounts)
            {
                Refill(account);
                if (account.Sequences == 0 && account.Tokens >= (account.Quota.MaxTokens ?? 0))
                {
                    _accounts.Remove(client);
                }
            }
        }
    }

    private static RefusedException Refuse(string reason, TimeSpan wait)
    {
        var retryAfter = TimeSpan.FromSeconds(Math.Max(1, Math.Ceiling(wait.TotalSeconds)));
        return new(new Refusal
        {
            Kind = RefusalKind.ClientLimit,
            Rule = string.Create(CultureInfo.InvariantCulture, $"{reason}. Try again in {retryAfter.TotalSeconds} s."),
            RetryAfter = retryAfter,
        });
    }

    private sealed class Account
    {
        /// <summary>What it may have.</summary>
        public required ClientQuota Quota { get; set; }

        public int Sequences { get; set; }

        /// <summary>What it may have now; below zero when it had more.</summary>
        public double Tokens { get; set; }

        /// <summary>As of when.</summary>
        public long At { get; set; }
    }
}
