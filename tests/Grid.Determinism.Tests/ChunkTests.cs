using Grid.Determinism.Tests.Harness;

namespace Grid.Determinism.Tests;

public class ChunkTests(DemoModelFixture demo)
{
    [Fact]
    public void Every_chunk_size_gives_the_same_bits()
    {
        var request = Requests.Make(Requests.Prompt(70, 1), 3, Requests.Sampling(2));
        var whole = demo.NewEngine(pages: 2, chunk: 70).Run(request);
        for (int chunk = 1; chunk < 70; chunk++)
        {
            var engine = demo.NewEngine(pages: 2, chunk: chunk);
            Bits.AssertSame(whole, engine.Run(request));
            Assert.Equal(((70 + chunk - 1) / chunk) + 2, engine.Status.Steps);
        }
    }

    [Theory]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(250)]
    [InlineData(1024)]
    public void A_long_prompt_gives_the_same_bits_in_chunks(int chunk)
    {
        // Longer than one attention segment.
        var request = Requests.Make(Requests.Prompt(1100, 2), 2, Requests.Sampling(1)) with { PromptLogprobsFrom = 900 };
        var whole = demo.NewEngine(pages: 18, chunk: 1100, batch: 1100).Run(request);
        var engine = demo.NewEngine(pages: 18, chunk: chunk, batch: 1100);
        Bits.AssertSame(whole, engine.Run(request));
    }

    [Fact]
    public void Chunks_beside_decoding_sequences_give_the_same_bits()
    {
        var engine = demo.NewEngine(batch: 23, chunk: 16);
        SequenceResult[] decoding = [.. Enumerable.Range(0, 5).Select(i => engine.Submit(Requests.Make(Requests.Prompt(3 + i, i), 30, Requests.Sampling(i))))];
        engine.Step(4);
        var prefilling = engine.Submit(Requests.Make(Requests.Prompt(200, 9), 5, Requests.Sampling(4)));
        engine.RunToEnd();
        Assert.All([.. decoding, prefilling], result => Bits.AssertSame(demo.Alone(result.Request), result));
    }
}
