using Grid.Determinism.Tests.Harness;

namespace Grid.Determinism.Tests;

/// <summary>A sequence's rows share the experts' products with its neighbours' rows, or have experts to themselves.</summary>
public class ExpertCrowdTests
{
    // Of the random checkpoints: an embedding's first elements, as many as there are experts, say which of them a token goes to
    // (tests/Grid.Models.Tests/Reference/random_models.py).
    private const int Experts = 8;

    [Theory]
    [InlineData("random-qwen3-moe", true, false)]
    [InlineData("random-qwen3-moe", false, true)]
    [InlineData("random-qwen3-moe", true, true)]
    [InlineData("random-qwen3-moe-mixed", true, true)]
    public void Neighbours_at_the_same_and_at_other_experts_change_nothing(string name, bool same, bool others)
    {
        using var model = ModelFixture.OfCheckpoint(name);
        (int, int)[] preferred = [.. model.Embeddings().Select(Preferred)];
        int[] own = [.. Tokens(preferred, p => p == (2, 5))];
        int[] shared = [.. Tokens(preferred, p => p.Item1 is 2 or 5 || p.Item2 is 2 or 5)];
        int[] apart = [.. Tokens(preferred, p => p.Item1 is not (2 or 5) && p.Item2 is not (2 or 5))];
        Assert.True(own.Length >= 4 && shared.Length > own.Length && apart.Length > own.Length);

        var request = Requests.Make(Draw(own, 30, 1), 16, Requests.Sampling(2));
        var engine = model.NewEngine(pages: 100, chunk: 13, batch: 120);
        List<SequenceResult> crowd = [];
        for (int i = 0; i < 24; i++)
        {
            int[] tokens = i % 2 == 0 ? (same ? shared : apart) : (others ? apart : shared);
            crowd.Add(engine.Submit(Requests.Make(Draw(tokens, 5 + (i * 3), i), 10 + (i % 7), Requests.Sampling(i))));
            if (i == 12)
            {
                crowd.Add(engine.Submit(request));
            }

            engine.Step();
        }

        engine.RunToEnd();
        Assert.All(crowd, result => Bits.AssertSame(model.Alone(result.Request), result));
    }

    /// <summary>The two experts of the largest elements, in ascending order.</summary>
    private static (int, int) Preferred(float[] embedding)
    {
        int[] order = [.. Enumerable.Range(0, Experts).OrderByDescending(e => embedding[e]).Take(2).Order()];
        return (order[0], order[1]);
    }

    private static IEnumerable<int> Tokens((int, int)[] preferred, Func<(int, int), bool> select) =>
        preferred.Index().Where(token => select(token.Item)).Select(token => token.Index);

    private static int[] Draw(int[] tokens, int length, int salt)
    {
        Random random = new(salt);
        return [.. Enumerable.Range(0, length).Select(_ => tokens[random.Next(tokens.Length)])];
    }
}
