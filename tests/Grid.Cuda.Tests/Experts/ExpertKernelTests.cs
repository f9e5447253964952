using Grid.Cuda.Build;
using Grid.Cuda.Driver;
using Grid.Cuda.Kernels.Experts;

namespace Grid.Cuda.Tests;

/// <summary>The experts' kernels against the contract's reference, bit for bit.</summary>
[Collection(GpuCollection.Name)]
public sealed class ExpertKernelTests(GpuFixture gpu)
{
    /// <summary>Experts around warps and builds (128, 512), the tree's lanes; slots; rows around warps, blocks and stretches.</summary>
    public static TheoryData<LogitData, int, int, int, bool> Routings()
    {
        var cases = new TheoryData<LogitData, int, int, int, bool>();
        foreach (var data in Enum.GetValues<LogitData>())
        {
            foreach ((int experts, int slots, int rows) in ((int, int, int)[])[
                (1, 1, 3), (8, 1, 1), (8, 2, 33), (8, 8, 5), (31, 4, 64), (60, 4, 100), (64, 6, 31), (100, 3, 40), (128, 8, 1), (128, 8, 32),
                (128, 8, 257), (128, 1, 4096), (128, 8, 3001), (160, 6, 50), (256, 8, 300), (300, 32, 70), (512, 10, 1030)])
            {
                cases.Add(data, experts, slots, rows, true);
                cases.Add(data, experts, slots, rows, false);
            }
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Routings))]
    public void Experts_weights_and_work_are_those_of_the_reference(LogitData data, int experts, int slots, int rows, bool normalize)
    {
        gpu.Require();
        var values = new ExpertCase(data, rows, experts, slots, normalize: normalize);
        using var bench = new ExpertBench(gpu, values);
        int shape = rows % ExpertShape.All.Count;
        foreach (int count in (int[])[rows, rows / 2, 0, 1, rows])
        {
            bench.Route(count, shape, startsEarly: count == 1);
            bench.RequireRouting(count, shape, $"{count} rows of {rows}, items of {ExpertShape.All[shape].Tokens}");
        }
    }

    [Theory]
    [InlineData(ProductData.Usual, LogitData.Usual, 40, 8, 2, 8, 8, 8)]
    [InlineData(ProductData.Usual, LogitData.Usual, 70, 16, 4, 136, 72, 200)]
    [InlineData(ProductData.Wide, LogitData.Usual, 33, 8, 3, 200, 40, 72)]
    [InlineData(ProductData.Tiny, LogitData.Ties, 33, 9, 2, 128, 64, 64)]
    [InlineData(ProductData.Cancelling, LogitData.Usual, 50, 8, 2, 520, 24, 104)]
    [InlineData(ProductData.Usual, LogitData.OneForAll, 300, 24, 3, 72, 104, 136)]
    [InlineData(ProductData.Usual, LogitData.OneForAll, 50, 128, 1, 64, 16, 24)]
    [InlineData(ProductData.Usual, LogitData.NotFinite, 30, 32, 8, 72, 32, 40)]
    [InlineData(ProductData.Usual, LogitData.Usual, 1, 128, 8, 264, 96, 64)]
    [InlineData(ProductData.Usual, LogitData.Usual, 9, 16, 2, 2048, 768, 200)]
    public void Every_shape_has_the_bits_of_the_reference(
        ProductData data, LogitData logits, int rows, int experts, int slots, int width, int inner, int outputs)
    {
        gpu.Require();
        var values = new ExpertCase(logits, rows, experts, slots, width, inner, outputs, data: data);
        using var bench = new ExpertBench(gpu, values);
        for (int shape = 0; shape < ExpertShape.All.Count; shape++)
        {
            foreach (int count in (int[])[rows, rows / 3, 0])
            {
                bench.Route(count, shape);
                bench.RequireLayer(count, $"{count} rows of {rows}, shape {shape}");
            }

            bench.Route(rows, shape, startsEarly: true);
            bench.RequireLayer(rows, $"{rows} rows, started early, shape {shape}", startsEarly: true);
        }
    }

    [Theory]
    [InlineData(LogitData.Usual, 3000, 64, 8, 64, 72, 1304)]
    [InlineData(LogitData.OneForAll, 8192, 16, 4, 40, 24, 704)]
    public void Passes_over_columns_change_nothing(LogitData logits, int rows, int experts, int slots, int width, int inner, int outputs)
    {
        gpu.Require();
        var values = new ExpertCase(logits, rows, experts, slots, width, inner, outputs);
        using var bench = new ExpertBench(gpu, values);
        Assert.InRange(bench.Routing.PassColumns(rows), 64, outputs - 1);
        Assert.True(bench.Routing.Outputs.Bytes <= ExpertRoutingMemory.OutputBytesLimit);
        int shape = ExpertKernels.ChooseShape(rows, experts, slots);
        bench.Route(rows, shape);
        bench.RequireRouting(rows, shape, $"{rows} rows");
        bench.RequireLayer(rows, $"{rows} rows");
        bench.RequireLayer(rows, $"{rows} rows, started early", startsEarly: true);

        // Fewer rows are given more columns at a time, in the same room.
        int fewer = (rows / 2) + 100;
        bench.Route(fewer, shape);
        bench.RequireLayer(fewer, $"{fewer} rows of {rows}");
    }

    [Theory]
    [InlineData(1, 8, 2048)]
    [InlineData(1500, 8, 2048)]
    [InlineData(3000, 8, 2048)]
    [InlineData(12000, 8, 2048)]
    [InlineData(40000, 8, 2048)]
    [InlineData(1000, 8, 4096)]
    [InlineData(5000, 6, 40)]
    public void Outputs_of_any_number_of_rows_have_room(int maxRows, int slots, int width)
    {
        var context = gpu.Require();
        using var stream = new CudaStream(context);
        using var routing = new ExpertRoutingMemory(context, stream, maxRows, 128, slots, width);
        for (int rows = 1; rows <= maxRows; rows++)
        {
            int columns = routing.PassColumns(rows);
            Assert.InRange(columns, Math.Min(64, width), width);
            Assert.True(columns == width || columns % 64 == 0, $"{rows} rows: {columns} columns");
            Assert.InRange((long)rows * slots * columns * sizeof(float), 1, routing.Outputs.Bytes);
        }
    }

    [Fact]
    public void A_graph_holds_for_any_number_of_rows_and_any_routing()
    {
        const int Rows = 64;
        gpu.Require();
        var values = new ExpertCase(LogitData.Usual, Rows, 32, 4, 256, 64, 128);
        var others = new ExpertCase(LogitData.OneForAll, Rows, 32, 4, 256, 64, 128);
        using var bench = new ExpertBench(gpu, values);
        using var graph = bench.Capture(0);
        ushort[] gated = values.Gated, added = values.Added, residual = values.Residual;
        for (int round = 0; round < 3; round++)
        {
            foreach (int count in (int[])[1, 17, 64, 0, 33])
            {
                bench.Stream.Upload<float>(bench.Routing.Logits, values.Logits);
                (ushort[] actualGated, ushort[] actualAdded) = bench.Launch(graph, count);
                Bits.Equal(gated.AsSpan(0, count * 256), actualGated.AsSpan(0, count * 256), 64, $"{count} rows, gated");
                Assert.True(actualGated.AsSpan(count * 256).IndexOfAnyExcept((ushort)0xEEEE) < 0, $"{count} rows: padding was written");
                Bits.Equal([.. added[..(count * 128)], .. residual[(count * 128)..]], actualAdded, 128, $"{count} rows, added");
            }

            // Another routing in between: nothing of it may be left.
            bench.Stream.Upload<float>(bench.Routing.Logits, others.Logits);
            bench.Launch(graph, Rows);
        }
    }

    [Theory]
    [InlineData("Route", "u32 winner = __reduce_min_sync(ALL, best == top ? at : ALL);", "u32 winner = __reduce_max_sync(ALL, best == top ? at : 0);")]
    [InlineData("Route", "__shfl_sync(ALL, mine, slot));", "__shfl_sync(ALL, mine, a.slots - 1 - slot));")]
    [InlineData("Route", "(bits_of(logit) & EXPONENT) != EXPONENT", "bits_of(logit) != EXPONENT")]
    [InlineData("Route", "bits_of(__fadd_rn(logit, 0.0f))", "bits_of(logit)")]
    [InlineData("Route", "u32 rows = min(*a.row_count, a.rows);", "u32 rows = a.rows;")]
    [InlineData("ExpertCombine", "for (u32 slot = 0; slot < a.slots; slot++) {", "for (u32 slot = a.slots; slot-- > 0;) {")]
    [InlineData("ExpertCombine", "u32 rows = min(*a.row_count, a.rows)", "u32 rows = a.rows")]
    [InlineData("ExpertProduct", "entry / a.entries_per_row", "entry % 7")]
    [InlineData("ExpertProduct", "item.expert * a.expert_bytes", "0")]
    public void A_broken_kernel_is_noticed(string kernel, string text, string broken)
    {
        gpu.Require();
        int changed = 0;
        var failures = new List<string>();
        foreach (var data in Enum.GetValues<LogitData>())
        {
            var values = new ExpertCase(data, 40, 32, 5, 72, 24, 72);
            using var bench = new ExpertBench(gpu, values, source =>
            {
                if (!source.Name.StartsWith(kernel, StringComparison.Ordinal))
                {
                    return source;
                }

                Assert.Contains(text, source.Text, StringComparison.Ordinal);
                changed++;
                return KernelSource.FromText(source.Name, source.Text.Replace(text, broken, StringComparison.Ordinal), source.Definitions);
            });
            var failure = Record.Exception(() =>
            {
                bench.Route(31, 0);
                bench.RequireRouting(31, 0, "routing");
                bench.RequireLayer(31, "layer");
            });
            if (failure is not null)
            {
                Assert.IsType<Xunit.Sdk.XunitException>(failure, exactMatch: false);
                failures.Add($"{data}: {failure.Message}");
            }
        }

        Assert.True(changed > 0 && failures.Count > 0, "nothing was noticed");
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', failures));
    }

    [Fact]
    public void The_tree_over_all_experts_is_noticed_too()
    {
        const string Text = "sums[part] = __fadd_rn(sums[part], share(logits[e], largest));";
        gpu.Require();
        var values = new ExpertCase(LogitData.Usual, 12, 300, 4, normalize: false);
        using var bench = new ExpertBench(gpu, values, source => !source.Name.StartsWith("Route", StringComparison.Ordinal)
            ? source
            : KernelSource.FromText(source.Name, source.Text.Replace(
                Text, "sums[part] = __fadd_rn(sums[part], share(logits[first + min(first + ROW_STEP, a.experts) - 1 - e], largest));", StringComparison.Ordinal),
                source.Definitions));
        bench.Route(12, 0);
        Assert.ThrowsAny<Exception>(() => bench.RequireRouting(12, 0, "backwards"));
    }

    [Fact]
    public void Sizes_that_do_not_fit_are_refused_by_name()
    {
        var context = gpu.Require();
        using var stream = new CudaStream(context);
        Refused("experts", () => Allocate(1, 513, 8, 64));
        Refused("slots", () => Allocate(1, 4, 5, 64));
        Refused("slots", () => Allocate(1, 64, 33, 64));
        Refused("maxRows", () => Allocate(0, 8, 2, 64));
        Refused("width", () => Allocate(1, 8, 2, 63));
        var values = new ExpertCase(LogitData.Usual, 4, 8, 2, 64, 64, 64);
        using var bench = new ExpertBench(gpu, values);
        Refused("rows", () => bench.Kernels.RouteLogits(stream, bench.Routing, bench.Routing.Ticket, 5, true, 0, false));
        Refused("rows", () => bench.Launch(false)); // nothing was routed
        bench.Route(4, 0);
        Refused("gateUp", () => bench.Kernels.GatedSilu(
            stream, bench.Routing, bench.Routing.Logits, bench.Routing.Logits, 8, 8, bench.Routing.Outputs));
        Refused("inner", () => bench.Kernels.AddDown(
            stream, bench.Routing, bench.Routing.Logits, bench.Routing.Logits, 12, bench.Routing.Outputs));

        void Allocate(int maxRows, int experts, int slots, int width) =>
            new ExpertRoutingMemory(context, stream, maxRows, experts, slots, width).Dispose();

        static void Refused(string name, Action action) =>
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(action).ParamName);
    }
}
