using Grid.Numerics;
using Grid.Sequences;
using Grid.Sequences.Routing;
using Microsoft.Extensions.Time.Testing;

namespace Grid.Grains.Tests.Routing;

public sealed class ClientLimitsTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_client_has_no_more_sequences_at_a_time_than_it_may_and_others_have_theirs()
    {
        var limits = Limits(new SequencesOptions { MaxClientRequests = 2 });
        limits.Enter("a", 1000);
        limits.Enter("a", 1000);
        var refused = Assert.Throws<RefusedException>(() => limits.Enter("a", 1)).Refusal;
        Assert.Equal((RefusalKind.ClientLimit, TimeSpan.FromSeconds(1)), (refused.Kind, refused.RetryAfter));
        Assert.Contains("2 sequences of this client run and wait", refused.Rule, StringComparison.Ordinal);
        limits.Enter("b", 1000);
        limits.Leave("a");
        limits.Enter("a", 1000);
    }

    [Fact]
    public void Sequences_of_a_request_are_counted_all_or_none_and_those_that_do_not_begin_are_given_back()
    {
        var limits = Limits(new SequencesOptions { MaxClientRequests = 5, MaxClientRequestsPerMinute = 8 });
        limits.Enter("a", 1);
        var refused = Assert.Throws<RefusedException>(() => limits.Reserve("a", 5)).Refusal;
        Assert.Contains("The request has 5 sequences and 1 of this client run and wait; one may have 5 at a time", refused.Rule, StringComparison.Ordinal);
        limits.Reserve("a", 4);
        Assert.Throws<RefusedException>(() => limits.Enter("a", 1));
        limits.Begin("a", 1);
        limits.Release("a", 3);
        refused = Assert.Throws<RefusedException>(() => Limits(new SequencesOptions { MaxClientRequestsPerMinute = 3 }).Reserve("a", 4)).Refusal;
        Assert.Contains("The request has 4 sequences, and this client may begin 3 a minute, 3 of them now", refused.Rule, StringComparison.Ordinal);
        limits.Reserve("a", 3);
    }

    [Fact]
    public void A_client_that_had_its_tokens_waits_until_it_may_have_more_and_saves_none()
    {
        var limits = Limits(new SequencesOptions { MaxClientTokens = 600 });
        limits.Enter("a", 100);
        limits.Count("a", 700); // What has begun goes on.
        var refused = Assert.Throws<RefusedException>(() => limits.Enter("a", 1)).Refusal;
        Assert.Equal((RefusalKind.ClientLimit, TimeSpan.FromSeconds(21)), (refused.Kind, refused.RetryAfter)); // 201 tokens, at 10 a second.
        limits.Enter("b", 1);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Throws<RefusedException>(() => limits.Enter("a", 1));
        _time.Advance(TimeSpan.FromSeconds(1));
        limits.Enter("a", 1);
        _time.Advance(TimeSpan.FromHours(1));
        limits.Enter("a", 600);
        Assert.Throws<RefusedException>(() => limits.Enter("a", 1));
    }

    [Fact]
    public void A_client_begins_no_more_sequences_in_a_minute_than_it_may_also_when_they_are_short()
    {
        var limits = Limits(new SequencesOptions { MaxClientRequestsPerMinute = 6, MaxClientRequests = 5 });
        for (int i = 0; i < 6; i++)
        {
            limits.Enter("a", 1);
            limits.Leave("a");
        }

        var refused = Assert.Throws<RefusedException>(() => limits.Enter("a", 1)).Refusal;
        Assert.Equal((RefusalKind.ClientLimit, TimeSpan.FromSeconds(10)), (refused.Kind, refused.RetryAfter));
        Assert.Contains("has begun the 6 sequences that it may begin a minute", refused.Rule, StringComparison.Ordinal);
        Assert.Equal(new ClientAllowance(new(5, null, 6), 0, TimeSpan.FromMinutes(1), 0, TimeSpan.Zero), limits.AllowanceOf("a"));
        Assert.Equal(5, limits.AllowanceOf("b").Requests);
        limits.Enter("b", 1);
        _time.Advance(TimeSpan.FromSeconds(10));
        limits.Enter("a", 1);
        Assert.Throws<RefusedException>(() => limits.Enter("a", 1));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(4, limits.AllowanceOf("a").Requests); // One runs.
    }

    [Fact]
    public void Clients_that_may_have_all_again_are_forgotten_and_no_others()
    {
        var limits = Limits(new SequencesOptions { MaxClientTokens = 60, MaxClientRequests = 1 });
        limits.Enter("runs", 0);
        limits.Enter("spent", 1000);
        limits.Leave("spent");
        for (int i = 0; i < 5000; i++)
        {
            limits.Enter($"{i}", 1);
            limits.Leave($"{i}");
            _time.Advance(TimeSpan.FromMilliseconds(10));
        }

        Assert.InRange(limits.Clients, 1, 1200);
        Assert.Throws<RefusedException>(() => limits.Enter("runs", 1));
        Assert.Throws<RefusedException>(() => limits.Enter("spent", 1));
    }

    [Fact]
    public void A_client_is_told_what_is_left_and_when_it_may_have_all_again()
    {
        var limits = Limits(new SequencesOptions { MaxClientTokens = 600, MaxClientRequests = 3 });
        Assert.Equal(new ClientAllowance(new(3, 600, null), 3, TimeSpan.Zero, 600, TimeSpan.Zero), limits.AllowanceOf("a"));
        limits.Enter("a", 100);
        Assert.Equal(new ClientAllowance(new(3, 600, null), 2, TimeSpan.Zero, 500, TimeSpan.FromSeconds(10)), limits.AllowanceOf("a"));
        limits.Count("a", 700);
        Assert.Equal(new ClientAllowance(new(3, 600, null), 2, TimeSpan.Zero, 0, TimeSpan.FromSeconds(80)), limits.AllowanceOf("a"));
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(new ClientAllowance(new(3, 600, null), 2, TimeSpan.Zero, 100, TimeSpan.FromSeconds(50)), limits.AllowanceOf("a"));
        Assert.Equal(new ClientAllowance(new(null, null, null), 0, TimeSpan.Zero, 0, TimeSpan.Zero), Limits(new SequencesOptions()).AllowanceOf("a"));
    }

    private ClientLimits Limits(SequencesOptions options) => new(new EqualQuotas(Microsoft.Extensions.Options.Options.Create(options)), _time);
}
