using System.Globalization;
using Grid.Numerics;

namespace Grid.Sequences.Routing;

/// <summary>What one client may have at this gateway: sequences at a time and begun in a minute, and tokens a minute. Used under the
/// queue's lock.</summary>
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
        Reserve(client, 1);
        return Begin(client, promptTokens);
    }

    /// <summary>Counts so many of a client's sequences, all or none. Throws <see cref="RefusedException"/> when they are more than it may have.</summary>
    public void Reserve(string client, int sequences)
    {
        var quota = quotas.Of(client);
        if (!_accounts.TryGetValue(client, out var account))
        {
            ForgetFull();
            _accounts.Add(client, account = new Account(quota, time));
        }

        account.Allow(quota);
        if (account.Sequences >= quota.MaxRequests)
        {
            throw Refuse($"{account.Sequences} sequences of this client run and wait, as many as one may have at a time", TimeSpan.FromSeconds(1));
        }

        if (sequences > quota.MaxRequests - account.Sequences)
        {
            throw Refuse(
                $"The request has {sequences} sequences and {account.Sequences} of this client run and wait; one may have {quota.MaxRequests} at a time", TimeSpan.FromSeconds(1));
        }

        if (account.Begun.IsSpent)
        {
            throw Refuse($"This client has begun the {quota.MaxRequestsPerMinute} sequences that it may begin a minute", account.Begun.UntilNext);
        }

        if (!account.Begun.Has(sequences))
        {
            throw Refuse(
                $"The request has {sequences} sequences, and this client may begin {quota.MaxRequestsPerMinute} a minute, {account.Begun.Left} of them now", account.Begun.Until(sequences));
        }

        if (account.Tokens.IsSpent)
        {
            throw Refuse($"This client has had the {quota.MaxTokens} tokens that it may have a minute", account.Tokens.UntilNext);
        }

        account.Sequences += sequences;
        account.Begun.Take(sequences);
    }

    /// <summary>One that is counted begins.</summary>
    /// <returns>Whether its tokens count.</returns>
    public bool Begin(string client, int promptTokens)
    {
        var account = _accounts[client];
        var quota = quotas.Of(client);
        account.Allow(quota);
        account.Tokens.Take(promptTokens);
        return quota.MaxTokens is not null;
    }

    /// <summary>So many that were counted do not begin.</summary>
    public void Release(string client, int sequences)
    {
        _accounts[client].Sequences -= sequences;
        _accounts[client].Begun.Take(-sequences);
    }

    /// <summary>Output tokens of a client came.</summary>
    public void Count(string client, int tokens) => _accounts[client].Tokens.Take(tokens);

    /// <summary>One of a client's sequences has ended.</summary>
    public void Leave(string client) => _accounts[client].Sequences--;

    /// <summary>What a client may have now.</summary>
    public ClientAllowance AllowanceOf(string client)
    {
        var quota = quotas.Of(client);
        var account = _accounts.GetValueOrDefault(client) ?? new Account(quota, time);
        account.Allow(quota);
        int atATime = (quota.MaxRequests ?? int.MaxValue) - account.Sequences;
        int aMinute = quota.MaxRequestsPerMinute is null ? int.MaxValue : account.Begun.Left;
        return new ClientAllowance(
            quota, quota is { MaxRequests: null, MaxRequestsPerMinute: null } ? 0 : Math.Max(0, Math.Min(atATime, aMinute)), account.Begun.UntilAll,
            account.Tokens.Left, account.Tokens.UntilAll);
    }

    private void ForgetFull()
    {
        if (_accounts.Count >= Remembered)
        {
            foreach (var (client, account) in _accounts)
            {
                if (account.Sequences == 0 && account.Begun.IsWhole && account.Tokens.IsWhole)
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

    private sealed class Account(ClientQuota quota, TimeProvider time)
    {
        public int Sequences { get; set; }

        public MinuteBudget Begun { get; } = new(quota.MaxRequestsPerMinute, time);

        public MinuteBudget Tokens { get; } = new(quota.MaxTokens, time);

        /// <summary>What it may have from now on.</summary>
        public void Allow(ClientQuota quota)
        {
            Begun.Allow(quota.MaxRequestsPerMinute);
            Tokens.Allow(quota.MaxTokens);
        }
    }

    /// <summary>So much a minute, which comes evenly. What was not had in the last minute is not saved for later, and what was had beyond
    /// it is waited for.</summary>
    /// <param name="most">In a minute; null for as much as there is.</param>
    /// <param name="time">The clock.</param>
    private sealed class MinuteBudget(int? most, TimeProvider time)
    {
        private int? _most = most;
        private double _left = most ?? 0;
        private long _at = time.GetTimestamp();

        public bool IsSpent => !Has(1);

        public bool IsWhole => _most is null || Now >= _most;

        public int Left => (int)Math.Max(0, Now);

        public TimeSpan UntilNext => Until(1);

        public TimeSpan UntilAll => Until(_most ?? 0);

        private double Now => Math.Min(_most ?? 0, _left + (time.GetElapsedTime(_at).TotalMinutes * (_most ?? 0)));

        public bool Has(int amount) => _most is null || Now >= amount;

        public void Allow(int? most) => (_left, _at, _most) = (Math.Min(Now, most ?? 0), time.GetTimestamp(), most);

        public void Take(int amount) => (_left, _at) = (Now - amount, time.GetTimestamp());

        public TimeSpan Until(int amount) => _most is { } rate ? TimeSpan.FromMinutes(Math.Max(0, amount - Now) / rate) : TimeSpan.Zero;
    }
}
