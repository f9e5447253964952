using System.Threading.Channels;
using Grid.Grains.Messages;
using Grid.Grains.Tests.Support;
using Grid.Sequences.Decoding;
using Grid.Sequences.Routing;

namespace Grid.Grains.Tests;

public sealed class DecodingTests
{
    private static readonly AttemptId s_attempt = new(Guid.NewGuid(), 0);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(100)]
    public void What_a_sequence_gives_does_not_depend_on_how_its_tokens_were_grouped(int perStep)
    {
        // 'ä' is two tokens here; the stop string begins inside what is held back.
        int[] ids = [.. "Blätter fallen STOP und mehr"u8.ToArray().Select(b => (int)b)];
        var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, ["n STOP", "TOP"]);
        string text = "";
        var tokens = new List<ScoredToken>();
        for (int first = 0; first < ids.Length; first += perStep)
        {
            Apply(decoder, Batch(first, ids[first..Math.Min(ids.Length, first + perStep)]), 0);
            if (decoder.TakeUpdate() is { } update)
            {
                text += update.Text;
                tokens.AddRange(update.Tokens);
            }
        }

        Assert.Equal("Blätter falle", text);
        Assert.Equal(("stop", 20), (decoder.FinishReason, tokens.Count));
        Assert.Null(decoder.TakeUpdate());
    }

    /// <summary>The text has a token for each letter; the stop string ends with the 8th, and again with the 18th.</summary>
    [Theory]
    [InlineData(7, "a ")]
    [InlineData(8, "a donkey, a ")]
    [InlineData(14, "a donkey, a ")]
    [InlineData(17, "a donkey, a ")]
    [InlineData(18, "a donkey, a donkey")]
    public void No_stop_string_ends_a_sequence_before_it_has_its_least_number_of_tokens(int minNewTokens, string expected)
    {
        int[] ids = [.. "a donkey, a donkey".Select(c => (int)c)];
        for (int perStep = 1; perStep <= ids.Length; perStep++)
        {
            var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, ["donkey"], minNewTokens);
            string text = "";
            object? stop = null;
            for (int first = 0; first < ids.Length; first += perStep)
            {
                int last = Math.Min(ids.Length, first + perStep);
                var batch = Batch(first, ids[first..last]);
                batch.Sequences[0].Finish = last == ids.Length ? StepFinish.Length : StepFinish.None;
                Apply(decoder, batch, 0);
                var update = decoder.TakeUpdate();
                text += update?.Text;
                stop = update?.MatchedStop ?? stop;
            }

            Assert.Equal(expected, text);
            Assert.Equal(minNewTokens == 18 ? ("length", null) : ("stop", "donkey"), (decoder.FinishReason, stop));
        }
    }

    [Fact]
    public void Half_a_character_at_the_end_becomes_one_replacement_character()
    {
        var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, []);
        var batch = Batch(0, [.. "aä"u8.ToArray().Take(2).Select(b => (int)b)]);
        batch.Sequences[0].Finish = StepFinish.Length;
        Apply(decoder, batch, 0);
        Assert.Equal("a\uFFFD", decoder.TakeUpdate()!.Text);
    }

    [Fact]
    public void Without_a_tokenizer_tokens_come_without_text()
    {
        var decoder = new SequenceDecoder(null, []);
        var batch = Batch(0, [65, 100_000]);
        batch.Sequences[0].Finish = StepFinish.Length;
        Apply(decoder, batch, 0);
        var update = decoder.TakeUpdate()!;
        Assert.Equal(("", "length", 2), (update.Text, update.FinishReason, update.Tokens.Length));
    }

    [Fact]
    public void Logprobs_and_alternatives_belong_to_their_tokens()
    {
        var batch = new StepBatch
        {
            Number = 0,
            Load = default,
            Sequences =
            [
                new SequenceStep { Attempt = new AttemptId(Guid.NewGuid(), 0), OutputTokenCount = 1 },
                new SequenceStep { Attempt = s_attempt, FirstToken = 1, FirstAlternative = 1, PromptTokenCount = 2, PromptFirstIndex = 3, OutputTokenCount = 1 },
            ],
            Tokens = [new(65, 0, 1), new(66, -1, 0), new(67, -2, 2), new(68, -3, 1)],
            Alternatives = [new(1, 1), new(2, 2), new(3, 3), new(4, 4)],
        };
        var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, []);
        Apply(decoder, batch, 1);
        var update = decoder.TakeUpdate()!;
        Assert.Equal((3, 2, 5), (update.PromptFirstIndex, update.PromptTokens.Length, decoder.NextPromptIndex));
        Assert.Equal([(66, -1f, 0), (67, -2f, 2), (68, -3f, 1)], update.PromptTokens.Concat(update.Tokens).Select(token => (token.TokenId, token.Logprob, token.Top.Length)));
        Assert.Equal([new(2, 2), new(3, 3)], update.PromptTokens[1].Top);
        Assert.Equal([new(4, 4)], update.Tokens[0].Top);
        Assert.Equal("D", update.Text);
    }

    [Theory]
    [InlineData(false, "x ", "a")]
    [InlineData(true, "x STOP", "ab")]
    public void What_ends_a_sequence_is_shown_where_that_is_asked_for(bool shows, string withString, string withToken)
    {
        var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, ["STOP"], showsStop: shows);
        Apply(decoder, Batch(0, [.. "x STOP".Select(c => (int)c)]), 0);
        Assert.Equal((withString, "stop"), (decoder.TakeUpdate()!.Text, decoder.FinishReason));

        decoder = new SequenceDecoder(TestModel.Text.Tokenizer, [], showsStop: shows);
        var batch = Batch(0, ['a', 'b']);
        (batch.Sequences[0].Finish, batch.Sequences[0].StopTokenId) = (StepFinish.Stop, 'b');
        Apply(decoder, batch, 0);
        Assert.Equal((withToken, "stop"), (decoder.TakeUpdate()!.Text, decoder.FinishReason));
    }

    [Fact]
    public void A_token_out_of_order_is_an_error_and_not_text()
    {
        var decoder = new SequenceDecoder(TestModel.Text.Tokenizer, []);
        Apply(decoder, Batch(0, [65]), 0);
        var error = Assert.Throws<InvalidOperationException>(() => Apply(decoder, Batch(2, [66]), 0));
        Assert.Equal("Output token 2 came where 1 was due.", error.Message);
    }

    [Fact]
    public void Events_of_old_epochs_are_dropped()
    {
        var demultiplexer = new StepDemultiplexer();
        var inbox = Channel.CreateUnbounded<SequenceEvent>();
        var current = s_attempt with { Epoch = 1 };
        demultiplexer.Add(s_attempt, inbox.Writer);
        demultiplexer.Remove(s_attempt);
        demultiplexer.Add(current, inbox.Writer);
        demultiplexer.Dispatch(Batch(0, [65]));
        Assert.False(inbox.Reader.TryRead(out _));
        var batch = Batch(0, [66]);
        batch.Sequences[0].Attempt = current;
        demultiplexer.Dispatch(batch);
        Assert.True(inbox.Reader.TryRead(out var item));
        Assert.Equal(current, item.Attempt);
    }

    [Fact]
    public void A_lost_worker_is_told_to_every_listener_once()
    {
        var demultiplexer = new StepDemultiplexer();
        var inbox = Channel.CreateUnbounded<SequenceEvent>();
        demultiplexer.Add(s_attempt, inbox.Writer);
        demultiplexer.LoseAll();
        demultiplexer.LoseAll();
        Assert.True(inbox.Reader.TryRead(out var item));
        Assert.Null(item.Batch);
        Assert.False(inbox.Reader.TryRead(out _));
    }

    private static void Apply(SequenceDecoder decoder, StepBatch batch, int index)
    {
        foreach (var item in StepItem.Of(batch, index))
        {
            decoder.Take(item);
        }
    }

    private static StepBatch Batch(int first, int[] ids) => new()
    {
        Number = 0,
        Load = default,
        Sequences = [new SequenceStep { Attempt = s_attempt, OutputTokenCount = ids.Length, OutputFirstIndex = first }],
        Tokens = [.. ids.Select(id => new StepToken(id, 0, 0))],
    };
}
