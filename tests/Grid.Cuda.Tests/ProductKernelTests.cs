using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.GatherRows;
using Grid.Cuda.Kernels.Product;

namespace Grid.Cuda.Tests;

/// <summary>The matrix product kernels against chains of Dot16, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class ProductKernelTests(GpuFixture gpu)
{
    private static readonly int[] TokenCounts = [1, 3, 8, 9, 64, 65, 200];

    /// <summary>Widths around chunks of 64, stages of 128 and rings of 256 to 768; outputs around tiles of 64 and groups of 8.</summary>
    public static TheoryData<ProductData, int, int> Cases()
    {
        var cases = new TheoryData<ProductData, int, int>();
        foreach (var data in Enum.GetValues<ProductData>())
        {
            foreach ((int width, int outputs) in ((int, int)[])[(8, 1), (40, 65), (64, 64), (128, 99), (200, 8), (512, 192), (1000, 130), (1024, 200), (4096, 72)])
            {
                cases.Add(data, width, outputs);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_tile_and_epilogue_has_the_bits_of_the_chains(ProductData data, int width, int outputs)
    {
        gpu.Require();
        var values = new ProductCase(data, TokenCounts[^1], width, outputs);
        using var bench = new ProductBench(gpu, values);
        ushort[] raw = ProductBench.Words(values.Raw), stored = values.Stored, biased = values.Biased, added = values.Added, gated = values.Gated;
        foreach (int tokens in TokenCounts)
        {
            int count = tokens * outputs;
            for (int tile = -1; tile < ProductTile.All.Count; tile++)
            {
                string what = $"{tokens} tokens, {Name(tile)}";
                Try(ProductEpilogue.Raw, raw.AsSpan(0, 2 * count));
                Try(ProductEpilogue.Store, stored.AsSpan(0, count));
                Try(ProductEpilogue.Store, biased.AsSpan(0, count), bias: true);
                Try(ProductEpilogue.Add, added.AsSpan(0, count));
                Try(ProductEpilogue.GatedSilu, gated.AsSpan(0, count));

                void Try(ProductEpilogue epilogue, ReadOnlySpan<ushort> expected, bool bias = false) =>
                    RequireEqual(bench, expected, epilogue, tokens, tile, outputs, bias, what);
            }
        }
    }

    /// <summary>compute-sanitizer's race checker follows so much in minutes; it sees nothing that depends on the data.</summary>
    [Theory]
    [Trait("Sanitizer", "race")]
    [InlineData(9, 328, 136)]
    [InlineData(70, 456, 72)]
    public void Every_tile_and_epilogue_has_the_bits_of_the_chains_at_one_small_size(int tokens, int width, int outputs)
    {
        gpu.Require();
        var values = new ProductCase(ProductData.Usual, tokens, width, outputs);
        using var bench = new ProductBench(gpu, values);
        for (int tile = 0; tile < ProductTile.All.Count; tile++)
        {
            RequireEqual(bench, ProductBench.Words(values.Raw), ProductEpilogue.Raw, tokens, tile, outputs, false, Name(tile));
            RequireEqual(bench, values.Biased, ProductEpilogue.Store, tokens, tile, outputs, true, Name(tile));
            RequireEqual(bench, values.Added, ProductEpilogue.Add, tokens, tile, outputs, false, Name(tile));
            RequireEqual(bench, values.Gated, ProductEpilogue.GatedSilu, tokens, tile, outputs, false, Name(tile));
        }
    }

    [Theory]
    [InlineData(1000, 1216, 520)]
    [InlineData(8192, 200, 320)]
    [InlineData(2500, 4160, 64)]
    public void All_tiles_agree_when_there_are_many_tokens(int tokens, int outputs, int width)
    {
        gpu.Require();
        var random = new Random(tokens);
        var part = new ProductCase(ProductData.Wide, 16, width, outputs);

        // The same sixteen rows again and again, in an order of their own: each token's results are known.
        int[] rows = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(16))];
        using var bench = new ProductBench(gpu, part);
        var input = bench.Upload<ushort>([.. rows.SelectMany(row => part.Input.AsSpan(row * width, width).ToArray())]).Span;
        var output = bench.Own(new DeviceMemory(bench.Context, (long)tokens * outputs * sizeof(ushort)));
        ushort[] gated = part.Gated;
        ushort[] actual = new ushort[tokens * outputs];
        for (int tile = 0; tile < ProductTile.All.Count; tile++)
        {
            if (!Takes(tile, outputs, ProductEpilogue.GatedSilu))
            {
                continue;
            }

            bench.Stream.Fill(output.Span, 0xFF);
            var operands = bench.Operands(ProductEpilogue.GatedSilu, tokens) with { Input = input, Output = output.Span };
            bench.Launch(operands, new ProductPlan(tile), startsEarly: false);
            bench.Stream.Download<ushort>(actual, output.Span);
            for (int m = 0; m < tokens; m++)
            {
                Bits.Equal(gated.AsSpan(rows[m] * outputs, outputs), actual.AsSpan(m * outputs, outputs), outputs, $"{Name(tile)}, token {m}");
            }
        }
    }

    [Fact]
    public void Listed_rows_give_the_logits_of_those_rows()
    {
        gpu.Require();
        var values = new ProductCase(ProductData.Usual, 40, 1024, 1000);
        using var bench = new ProductBench(gpu, values);
        int[] rows = [39, 0, 7, 7, 21];
        var gathered = bench.Own(new DeviceMemory(bench.Context, rows.Length * 1024L * sizeof(ushort)));
        var module = bench.Own(gpu.Load(GatherRowsKernel.Source));
        new GatherRowsKernel(module).Launch(bench.Stream, bench.Upload(rows).Span, bench.Input, gathered.Span, rows.Length, 1024);
        var operands = bench.Operands(ProductEpilogue.Raw, rows.Length) with { Input = gathered.Span };
        ushort[] expected = ProductBench.Words([.. rows.SelectMany(row => values.Raw.AsSpan(row * 1000, 1000).ToArray())]);
        Bits.Equal(expected, bench.Run(operands), 2000, "logits");
    }

    [Fact]
    public void A_residual_may_be_the_output()
    {
        gpu.Require();
        var values = new ProductCase(ProductData.Usual, 70, 256, 192);
        using var bench = new ProductBench(gpu, values);
        for (int tile = 0; tile < ProductTile.All.Count; tile++)
        {
            if (!Takes(tile, 192, ProductEpilogue.Add))
            {
                continue;
            }

            var inPlace = bench.Upload(values.Residual).Span;
            bench.Launch(bench.Operands(ProductEpilogue.Add, 70) with { Residual = inPlace, Output = inPlace }, new ProductPlan(tile), startsEarly: false);
            ushort[] actual = new ushort[values.Residual.Length];
            bench.Stream.Download<ushort>(actual, inPlace);
            Bits.Equal(values.Added, actual, 192, Name(tile));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(300)]
    public void Products_that_start_early_wait_for_the_one_before(int tokens)
    {
        // y = bf16(y + W x), x and y in turn, many times: a product that reads too early or writes too early shows.
        const int Size = 1024, Rounds = 60;
        gpu.Require();
        var values = new ProductCase(ProductData.Usual, tokens, Size, Size);
        using var bench = new ProductBench(gpu, values);
        DeviceSpan[] halves = [bench.Upload(values.Input).Span, bench.Upload(values.Residual).Span];
        ushort[]? expected = null;
        foreach (bool startsEarly in (bool[])[false, true, true, true])
        {
            bench.Stream.Upload<ushort>(halves[0], values.Input);
            bench.Stream.Upload<ushort>(halves[1], values.Residual);
            for (int round = 0; round < Rounds; round++)
            {
                DeviceSpan from = halves[round % 2], to = halves[1 - (round % 2)];
                var operands = bench.Operands(ProductEpilogue.Add, tokens) with { Input = from, Residual = to, Output = to };
                bench.Launch(operands, startsEarly);
            }

            ushort[] actual = new ushort[tokens * Size];
            bench.Stream.Download<ushort>(actual, halves[0]);
            expected ??= actual;
            Bits.Equal(expected, actual, Size, $"starts early: {startsEarly}");
        }
    }

    [Theory]
    [InlineData(ProductData.Usual)]
    [InlineData(ProductData.Wide)]
    [InlineData(ProductData.Tiny)]
    public void The_data_tell_another_order_of_k_apart(ProductData data)
    {
        gpu.Require();
        var values = new ProductCase(data, 64, 512, 64);
        using var bench = new ProductBench(gpu, values, Backwards);
        for (int tile = 0; tile < ProductTile.All.Count; tile++)
        {
            // All tiles have one text; where only rounded results are built, rounding hides the difference.
            if (Takes(tile, 64, ProductEpilogue.Raw))
            {
                Assert.NotEqual(ProductBench.Words(values.Raw), bench.Run(ProductEpilogue.Raw, 64, tile));
            }
        }
    }

    [Fact]
    public void Operands_that_do_not_fit_are_refused_by_name()
    {
        gpu.Require();
        var values = new ProductCase(ProductData.Usual, 4, 64, 64);
        using var bench = new ProductBench(gpu, values);
        var store = bench.Operands(ProductEpilogue.Store, 4);
        Refused("o.Weights has 39920 bytes, and the kernel touches 39936.", store with { Weights = store.Weights.Slice(0, 39920) });
        Refused("o.Input has 384 bytes, and the kernel touches 512.", store with { Input = store.Input.Slice(0, 384) });
        Refused("o.Output has 16 bytes, and the kernel touches 512.", store with { Output = store.Output.Slice(0, 16) });
        Refused("Width is 63; rows start at 16 bytes, so it must be a multiple of 8.", store with { Width = 63 });
        Refused("a residual goes with epilogue Add, not with Store.", store with { Residual = bench.Residual });
        Refused("a bias goes with epilogue Store, not with Raw.", bench.Operands(ProductEpilogue.Raw, 4) with { Bias = bench.Bias });
        var plan = Assert.Throws<ArgumentException>(() => bench.Run(store with { Outputs = 63 }, tile: 0));
        Assert.StartsWith("Tile t16w16c1x1 does not take 63 outputs with Store.", plan.Message, StringComparison.Ordinal);
        Refused("o.Residual has 0 bytes, and the kernel touches 512.", store with { Epilogue = ProductEpilogue.Add });

        void Refused(string message, ProductOperands operands)
        {
            var e = Assert.Throws<ArgumentException>(() => bench.Run(operands));
            Assert.StartsWith(message, e.Message, StringComparison.Ordinal);
        }
    }

    // Nothing, where the tile does not take the product.
    private static void RequireEqual(
        ProductBench bench, ReadOnlySpan<ushort> expected, ProductEpilogue epilogue, int tokens, int tile, int outputs, bool bias, string what)
    {
        if (Takes(tile, outputs, epilogue))
        {
            int width = epilogue == ProductEpilogue.Raw ? 2 * outputs : outputs;
            Bits.Equal(expected, bench.Run(epilogue, tokens, tile, bias), width, $"{epilogue}{(bias ? " with a bias" : "")}, {what}");
        }
    }

    private static string Name(int tile) => tile < 0 ? "the chosen tile" : ProductTile.All[tile].Name;

    private static bool Takes(int tile, int outputs, ProductEpilogue epilogue) => tile < 0 || ProductTile.All[tile].Takes(outputs, epilogue);

    // Steps inside a stage in descending order: right in every respect but the contract's order.
    private static KernelSource Backwards(ProductTile tile)
    {
        const string Loop = "for (u32 step = 0; step < CHUNKS * STEPS; step++) {";
        string text = tile.Source.Text;
        Assert.Contains(Loop, text, StringComparison.Ordinal);
        string backwards = text.Replace(
            Loop, "for (u32 i = 0; i < CHUNKS * STEPS; i++) { u32 step = CHUNKS * STEPS - 1 - i;", StringComparison.Ordinal);
        return KernelSource.FromText($"Backwards-{tile.Name}", backwards, tile.Definitions);
    }
}
