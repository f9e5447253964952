using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Models.Tests;

/// <summary>What every device's sampler refuses, before it computes anything.</summary>
public sealed class SamplingCheckTests
{
    private const int Vocabulary = 5000, LogitRows = 4;

    public static TheoryData<SamplingRow, string> Refused { get; } = new()
    {
        { new() { LogitRow = 4 }, "rows[3].LogitRow is 4; it must be a row of the logits, which have 4." },
        { new() { LogitRow = -1 }, "rows[3].LogitRow is -1; it must be a row of the logits, which have 4." },
        { new() { ScoredToken = 5000 }, "rows[3].ScoredToken is 5000; it must be below the vocabulary's size 5000." },
        { new() { BannedTokens = [1, 5000] }, "rows[3].BannedTokens is 5000; it must name tokens from 0 to below the vocabulary's size 5000." },
        { With(new() { Temperature = -1f }), "rows[3].Temperature is -1; it must be finite and at least 0." },
        { With(new() { Temperature = float.NaN }), "rows[3].Temperature is NaN; it must be finite and at least 0." },
        { With(new() { TopP = 0f }), "rows[3].TopP is 0; it must be above 0 and at most 1." },
        { With(new() { TopK = -1 }), "rows[3].TopK is -1; it must be at least 0 (0 keeps all tokens)." },
        { With(new() { MinP = 1.5f }), "rows[3].MinP is 1.5; it must be from 0 to 1." },
        { With(new() { RepetitionPenalty = 0f }), "rows[3].RepetitionPenalty is 0; it must be finite and above 0." },
        { With(new() { PresencePenalty = float.PositiveInfinity }), "rows[3].PresencePenalty is Infinity; it must be from -2 to 2." },
        { With(new() { LogitBias = [new(7, 1f), new(6, 1f)] }), "rows[3].LogitBias is 6; it must ascend by token id, from 7." },
        { With(new() { LogitBias = [new(5000, 1f)] }), "rows[3].LogitBias is 5000; it must be below the vocabulary's size 5000." },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void A_row_that_cannot_be_is_refused_with_field_value_and_rule(SamplingRow row, string message)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => SamplingChecks.Require(row, 3, LogitRows, Vocabulary));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_wrong_token_anywhere_in_a_long_history_is_found()
    {
        foreach (int wrong in (int[])[-1, Vocabulary, int.MaxValue, int.MinValue])
        {
            for (int place = 0; place < 70; place++)
            {
                var history = new TokenHistory();
                for (int i = 0; i < 70; i++)
                {
                    history.AddPrompt(i == place ? wrong : i);
                }

                var row = With(new() { RepetitionPenalty = 1.1f });
                row.History = history;
                var error = Assert.Throws<ArgumentOutOfRangeException>(() => SamplingChecks.Require(row, 0, LogitRows, Vocabulary));
                Assert.StartsWith($"rows[0].History is {wrong};", error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void What_a_scored_row_does_not_read_is_not_checked()
    {
        var row = With(new() { Temperature = float.NaN });
        row.ScoredToken = 7;
        SamplingChecks.Require(row, 0, LogitRows, Vocabulary);
    }

    private static SamplingRow With(SamplingParameters parameters) => new() { Parameters = parameters };
}
