using Grid.Models.Operations;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>What every device refuses before its own part sees it, and that a field it does not know is never ignored.</summary>
public sealed class DeviceOperationsTests : IDisposable
{
    private const int Rows = 5, Width = 8, KvHeads = 2, HeadDim = 16, Pages = 3;

    private static readonly KvCache s_cache = new CheckedKvCache(2, KvHeads, HeadDim, Pages);

    private readonly CheckedDevice _device = new(CheckedDevice.All);

    public static TheoryData<string, Action<CheckedDevice>> Refused { get; } = new()
    {
        { "up has 5 rows and gate 4; gate and up must have as many.", d => d.UploadGatedMatrix(Tensor("gate", 4, 8), Tensor("up", 5, 8)) },
        { "b has 9 columns; stacked matrices need 8.", d => d.UploadMatrix(Tensor("a", 4, 8), Tensor("b", 4, 9)) },
        { "There is no matrix to upload.", d => d.UploadMatrix() },
        { "b is [5, 8] and a [4, 8]; all experts must have one shape.", d => d.UploadExperts([Tensor("a", 4, 8), Tensor("b", 5, 8)]) },
        { "There are 1 gates and 2 ups; every expert needs one of each.", d => d.UploadGatedExperts([Tensor("a", 4, 8)], [Tensor("b", 4, 8), Tensor("c", 4, 8)]) },
        { "m is [2, 8]; a vector has one row.", d => d.UploadVector(Tensor("m", 2, 8)) },
        { "cos has 7 and sin 8 values; 1 positions of head size 16 need 8.", d => d.UploadRotary(new float[7], new float[8], 1, 16) },
        { "slots must be from 1 to the number of experts (2).", d => d.AllocateRouting(1, 2, 3, 8) },
        { "width ('0') must be a non-negative and non-zero value.", d => d.AllocateActivation(1, 0) },
        { "pages ('3') must be less than '3'.", d => d.ClearPages(s_cache, [0, 3]) },
        { "RowCount", d => d.BeginStep(new BatchLayout(4, 1) { RowCount = 5 }) },
        { "The sequences cover 0 rows; RowCount is 2.", d => d.BeginStep(new BatchLayout(4, 1) { RowCount = 2 }) },
        { "A sequence has 2 rows from 1 on; the rows before it end at 0", d => d.BeginStep(Batch([new SequenceSlice(1, 2, [])], 3)) },
        { "TokenIds holds 4; t has rows 0 to 3.", d => d.Embed(d.UploadMatrix(Tensor("t", 4, Width)), d.AllocateActivation(Rows, Width)) },
        { "t takes rows of 8 to rows of 8; it does not take rows of 8 to rows of 9.", d => d.Embed(d.UploadMatrix(Tensor("t", 9, Width)), d.AllocateActivation(Rows, 9)) },
        { "An activation has room for 4 rows; 5 are needed.", d => d.RmsNorm(d.AllocateActivation(4, 8), Norm(d), d.AllocateActivation(Rows, 8)) },
        { "n takes rows of 8 to rows of 8; it does not take rows of 9 to rows of 8.", d => d.RmsNorm(d.AllocateActivation(Rows, 9), Norm(d), d.AllocateActivation(Rows, 8)) },
        { "The epilogue writes nowhere.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.All, Matrix(d), default) },
        { "w was not uploaded as gated; it does not go with GatedSilu.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.All, Matrix(d), Epilogue.GatedSilu(d.AllocateActivation(Rows, 6))) },
        { "b has 5 values; w gives 6.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.All, Matrix(d), Epilogue.Store(d.AllocateActivation(Rows, 6)) with { Bias = d.UploadVector(Tensor("b", 5)) }) },
        { "A bias goes with Store, not with Add.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.All, Matrix(d), Epilogue.AddTo(d.AllocateActivation(Rows, 6)) with { Bias = d.UploadVector(Tensor("b", 6)) }) },
        { "The epilogue's target has room for 4 rows; 5 are needed.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.All, Matrix(d), Epilogue.Store(d.AllocateActivation(4, 6))) },
        { "There are 2 logit rows; 2 from 1 on are not among them.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.Logits(1, 2), Matrix(d), Epilogue.Raw(d.AllocateLogits(2, 6))) },
        { "LogitRows holds 4; there are rows 0 to 3.", d => d.Project(d.AllocateActivation(4, 8), RowList.Logits(0, 2), Matrix(d), Epilogue.Raw(d.AllocateLogits(2, 6))) },
        { "The epilogue's target has room for 1 rows; 2 are needed.", d => d.Project(d.AllocateActivation(Rows, 8), RowList.Logits(0, 2), Matrix(d), Epilogue.Raw(d.AllocateLogits(1, 6))) },
        { "A product's target is its own input.", OntoItself },
        { "A pass works on every row", d => d.RunStep(Batch(), () => d.Project(new CheckedActivation(Rows, 8), RowList.Logits(0, 2), new CheckedMatrix("w", 6, 8, gated: false), Epilogue.Raw(new CheckedLogits(2, 6)))) },
        { "Read inside a pass", d => d.RunStep(Batch(), () => d.Read(new CheckedActivation(Rows, 8), 1, new ushort[8])) },
        { "AllocateActivation inside a pass", d => d.RunStep(Batch(), () => d.AllocateActivation(1, 1)) },
        { "Experts' products end in GatedSilu or Add, not in Store.", d => d.ProjectExperts(d.AllocateActivation(Rows, 8), d.AllocateRouting(Rows, 2, 1, 6), Experts(d), Epilogue.Store(d.AllocateActivation(Rows, 6))) },
        { "The routing is of 0 rows to 2 experts; this step has 5 rows, and w 2 experts.", d => d.ProjectExperts(d.AllocateActivation(Rows, 8), d.AllocateRouting(Rows, 2, 1, 6), Experts(d), Epilogue.AddTo(d.AllocateActivation(Rows, 6))) },
        { "w must be plain experts of 7 outputs, the routing's width.", d => d.ProjectExperts(d.AllocateActivation(Rows, 8), d.AllocateRouting(Rows, 2, 1, 7), Experts(d), Epilogue.AddTo(d.AllocateActivation(Rows, 6))) },
        { "The routing has room for 4 rows; 5 are needed.", d => d.Route(d.AllocateActivation(Rows, 8), Matrix(d), new RoutingSpec(true), d.AllocateRouting(4, 6, 1, 8)) },
        { "the KV cache has layers 0 to 1.", d => d.RotateAndStore(Qkv(d), new RotarySpec(2, Table(d, 100)), new KvLayer(s_cache, 2)) },
        { "Rows of 96 are not 3 query heads and twice 2 KV heads of 16.", d => d.RotateAndStore(Qkv(d), new RotarySpec(3, Table(d, 100)), new KvLayer(s_cache, 0)) },
        { "The rotary table is for heads of 32, the KV cache for 16.", d => d.RotateAndStore(Qkv(d), new RotarySpec(2, d.UploadRotary(new float[16], new float[16], 1, 32)), new KvLayer(s_cache, 0)) },
        { "k has 15 values; a head has 16.", d => d.RotateAndStore(Qkv(d), new RotarySpec(2, Table(d, 100)) { KeyNorm = d.UploadVector(Tensor("k", 15)) }, new KvLayer(s_cache, 0)) },
        { "Positions holds 66; the rotary table has 0 to 65.", d => d.RotateAndStore(Qkv(d), new RotarySpec(2, Table(d, 66)), new KvLayer(s_cache, 0)) },
        { "A sequence is at position 66 and has 1 pages; it needs 2.", d => WithPages(d, [0]) },
        { "A page table names page 3; the KV cache has pages 0 to 2.", d => WithPages(d, [0, 3]) },
        { "A page table names page -1; the KV cache has pages 0 to 2.", d => WithPages(d, [0, -1]) },
        { "3 query heads are no multiple of 2 KV heads.", d => d.Attend(d.AllocateActivation(Rows, 7 * HeadDim), new AttentionSpec(3, 1f), new KvLayer(s_cache, 0), d.AllocateActivation(Rows, 3 * HeadDim)) },
        { "There are 2 rows and room for 1 results.", d => d.Sample(d.AllocateLogits(2, 6), new SamplingRow[2], new SampledToken[1]) },
        { "rows[1].LogitRow is 2; it must be a row of the logits, which have 2.", d => d.Sample(d.AllocateLogits(2, 6), [new(), new() { LogitRow = 2 }], new SampledToken[2]) },
        { "rows must be from 0 to the 5 that there are.", d => d.Read(d.AllocateActivation(Rows, 8), 6, new ushort[48]) },
        { "5 rows are 40 values; there is room for 39.", d => d.Read(d.AllocateActivation(Rows, 8), 5, new ushort[39]) },
    };

    [Fact]
    public void Two_samplings_are_under_way_at_most_and_a_batch_may_name_what_the_last_draws()
    {
        var logits = _device.AllocateLogits(2, 6);
        var batch = Batch();
        var table = _device.UploadMatrix(Tensor("t", Rows, Width));
        var output = _device.AllocateActivation(Rows, Width);
        _device.BeginSample(logits, [new()]);
        _device.BeginSample(logits, [new(), new()]);
        Assert.Throws<InvalidOperationException>(() => _device.BeginSample(logits, [new()]));
        Assert.Throws<InvalidOperationException>(() => _device.Sample(logits, [new()], new SampledToken[1]));
        batch.TokenIds[3] = ~1;
        _device.BeginStep(batch);
        _device.Embed(table, output);
        batch.TokenIds[3] = ~2;
        _device.BeginStep(batch);
        var error = Assert.Throws<ArgumentException>(() => _device.Embed(table, output));
        Assert.StartsWith("TokenIds holds -3; t has rows 0 to 4, and the last sampling rows ~0 to ~1.", error.Message, StringComparison.Ordinal);
        _device.EndSample(new SampledToken[2]);
        Assert.Throws<ArgumentException>(() => _device.EndSample(new SampledToken[1]));
        _device.EndSample(new SampledToken[2]);
        Assert.Throws<InvalidOperationException>(() => _device.EndSample(new SampledToken[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _device.BeginSample(logits, [new(), new(), new()]));
        Assert.Equal(
            ["BeginSample", "BeginSample", "Embed", "EndSample 1", "EndSample 2"],
            _device.Computed.Where(one => one.Contains("Sample", StringComparison.Ordinal) || one is "Embed"));
    }

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void An_operand_that_does_not_fit_is_refused_before_the_device_sees_it(string message, Action<CheckedDevice> call)
    {
        _device.BeginStep(Batch());
        int before = _device.Computed.Count;
        var error = Record.Exception(() => call(_device));
        Assert.True(error is ArgumentException or InvalidOperationException or NotSupportedException, error?.ToString() ?? "It was not refused.");
        Assert.Contains(message, error!.Message, StringComparison.Ordinal);
        Assert.Equal(before, _device.Computed.Count);
    }

    [Fact]
    public void What_fits_reaches_the_device_as_it_is()
    {
        var d = _device;
        d.BeginStep(Batch());
        Activation input = d.AllocateActivation(Rows, 8), output = d.AllocateActivation(Rows, 6);
        var bias = d.UploadVector(Tensor("b", 6));
        d.Project(input, RowList.Logits(0, 2), Matrix(d), Epilogue.Store(output) with { Bias = bias });
        var routing = d.AllocateRouting(Rows, 2, 1, 6);
        d.Route(input, d.UploadMatrix(Tensor("r", 2, 8)), new RoutingSpec(true), routing);
        d.ProjectExperts(input, routing, Experts(d), Epilogue.AddTo(output));
        d.RotateAndStore(Qkv(d), new RotarySpec(2, Table(d, 67)), new KvLayer(s_cache, 1));
        d.Attend(Qkv(d), new AttentionSpec(2, 0.5f), new KvLayer(s_cache, 1), d.AllocateActivation(Rows, 2 * HeadDim));
        Assert.Equal(["Project", "Route", "ProjectExperts", "RotateAndStore", "Attend"], d.Computed);
        Assert.Equal(Epilogue.AddTo(output), d.LastEpilogue);
        Assert.Equal(Rows, routing.Rows);
    }

    [Fact]
    public void After_a_pass_that_failed_the_device_reads_again()
    {
        Assert.Throws<InvalidTimeZoneException>(() => _device.RunStep(Batch(), () => throw new InvalidTimeZoneException()));
        _device.Read(_device.AllocateActivation(1, 1), 1, new ushort[1]);
    }

    /// <summary>Any field of any record: as if it had just been added, and this device not been told.</summary>
    [Theory]
    [InlineData(typeof(NormSpec), "Weight", "Epsilon")]
    [InlineData(typeof(RowList), "IsListed", "First", "Count")]
    [InlineData(typeof(Epilogue), "Kind", "Target", "Logits", "Bias")]
    [InlineData(typeof(RoutingSpec), "Normalize")]
    [InlineData(typeof(RotarySpec), "QueryHeads", "Table", "QueryNorm", "KeyNorm", "Epsilon")]
    [InlineData(typeof(AttentionSpec), "QueryHeads", "Scale")]
    public void A_field_that_a_device_does_not_know_is_refused_when_it_is_set(Type record, params string[] fields)
    {
        Assert.Equal(fields.Order(), CheckedDevice.FieldsOf(record).Order()); // a new field is thought of here too
        foreach (string field in fields)
        {
            using var device = new CheckedDevice(CheckedDevice.AllBut(record, field));
            device.BeginStep(Batch());
            var error = Assert.Throws<NotSupportedException>(() => Use(device, record, field));
            Assert.StartsWith($"{record.Name}.{field} is set, and a checked device does not know it", error.Message, StringComparison.Ordinal);
            Assert.Empty(device.Computed);
        }
    }

    [Fact]
    public void A_field_that_is_not_set_needs_no_knowing()
    {
        using var device = new CheckedDevice(CheckedDevice.AllBut(typeof(Epilogue), nameof(Epilogue.Bias)));
        device.BeginStep(Batch());
        device.Project(device.AllocateActivation(Rows, 8), RowList.All, Matrix(device), Epilogue.Store(device.AllocateActivation(Rows, 6)));
        Assert.Equal(["Project"], device.Computed);
    }

    [Fact]
    public void A_record_that_was_never_named_is_refused_and_a_field_that_is_none_is_no_name()
    {
        using var device = new CheckedDevice(new KnownFields());
        device.BeginStep(Batch());
        Assert.Throws<NotSupportedException>(() => device.Attend(Qkv(device), new AttentionSpec(2, 1f), new KvLayer(s_cache, 0), device.AllocateActivation(Rows, 32)));
        Assert.StartsWith("AttentionSpec has no field Window.", Assert.Throws<ArgumentException>(() => new KnownFields().Of<AttentionSpec>("Window")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Checks_allocate_nothing()
    {
        // Of every record one field is unknown and not set, so that the tests for it run as well.
        using CheckedDevice d = new(CheckedDevice.AllBut(typeof(Epilogue), nameof(Epilogue.Bias)));
        Activation input = d.AllocateActivation(Rows, 8), output = d.AllocateActivation(Rows, 6), heads = Qkv(d), attended = d.AllocateActivation(Rows, 32);
        WeightMatrix matrix = Matrix(d), router = d.UploadMatrix(Tensor("r", 2, 8)), table = d.UploadMatrix(Tensor("t", 9, 8));
        var experts = Experts(d);
        var routing = d.AllocateRouting(Rows, 2, 1, 6);
        var rotary = Table(d, 100);
        var norm = Norm(d);
        var batch = Batch();
        Action pass = () =>
        {
            d.Embed(table, input);
            d.RmsNorm(input, norm, input);
            d.Project(input, RowList.All, matrix, Epilogue.AddTo(output));
            d.Route(input, router, new RoutingSpec(true), routing);
            d.ProjectExperts(input, routing, experts, Epilogue.AddTo(output));
            d.RotateAndStore(heads, new RotarySpec(2, rotary), new KvLayer(s_cache, 1));
            d.Attend(heads, new AttentionSpec(2, 0.5f), new KvLayer(s_cache, 1), attended);
        };
        d.Remembers = false;
        d.RunStep(batch, pass);
        d.RunStep(batch, pass);
        Assert.Equal(0, AllocatedBytes.Measure(() => d.RunStep(batch, pass)));
    }

    [Fact]
    public void Delegating_hands_on_every_operation_and_refuses_without_anyone_to_hand_it_to()
    {
        using var alone = new Delegating(null);
        Assert.Equal("Delegating has no operation Embed.", Assert.Throws<NotSupportedException>(() => alone.Embed(new CheckedMatrix("t", 9, 8, gated: false), new CheckedActivation(5, 8))).Message);
        using var through = new Delegating(_device);
        through.BeginStep(Batch());
        var output = through.AllocateActivation(Rows, 6);
        through.Project(through.AllocateActivation(Rows, 8), RowList.All, Matrix(through), Epilogue.AddTo(output));
        Assert.Equal(Epilogue.AddTo(output), _device.LastEpilogue);
    }

    public void Dispose() => _device.Dispose();

    /// <summary>Sets the field.</summary>
    private static void Use(CheckedDevice d, Type record, string field)
    {
        Activation input = d.AllocateActivation(Rows, 8), output = d.AllocateActivation(Rows, 6);
        var head = d.UploadVector(Tensor("h", HeadDim));
        switch (record.Name)
        {
            case nameof(NormSpec):
                d.RmsNorm(input, Norm(d), input);
                break;
            case nameof(RowList):
                d.Project(input, RowList.Logits(1, 1), Matrix(d), Epilogue.Store(output));
                break;
            case nameof(Epilogue) when field == nameof(Epilogue.Logits):
                d.Project(input, RowList.All, Matrix(d), Epilogue.Raw(d.AllocateLogits(Rows, 6)));
                break;
            case nameof(Epilogue):
                d.Project(input, RowList.All, Matrix(d), Epilogue.Store(output) with { Bias = d.UploadVector(Tensor("b", 6)) });
                break;
            case nameof(RoutingSpec):
                d.Route(input, d.UploadMatrix(Tensor("r", 2, 8)), new RoutingSpec(true), d.AllocateRouting(Rows, 2, 1, 6));
                break;
            case nameof(RotarySpec):
                d.RotateAndStore(Qkv(d), new RotarySpec(2, Table(d, 100)) { QueryNorm = head, KeyNorm = head, Epsilon = 1f }, new KvLayer(s_cache, 0));
                break;
            default:
                d.Attend(Qkv(d), new AttentionSpec(2, 1f), new KvLayer(s_cache, 0), d.AllocateActivation(Rows, 32));
                break;
        }
    }

    private static void OntoItself(CheckedDevice d)
    {
        var both = d.AllocateActivation(Rows, 8);
        d.Project(both, RowList.All, d.UploadMatrix(Tensor("w", 8, 8)), Epilogue.AddTo(both));
    }

    private static void WithPages(CheckedDevice d, int[] pages)
    {
        d.BeginStep(Batch([new SequenceSlice(0, Rows, pages)], Rows));
        d.Attend(Qkv(d), new AttentionSpec(2, 1f), new KvLayer(s_cache, 0), d.AllocateActivation(Rows, 2 * HeadDim));
    }

    /// <summary>Two sequences, at positions 62 to 66 across a page's end; tokens 0 to 4, logits of the rows 2 and 4.</summary>
    private static BatchLayout Batch() => Batch([new SequenceSlice(0, 3, [2, 0]), new SequenceSlice(3, 2, [1, 0])], Rows);

    private static BatchLayout Batch(SequenceSlice[] sequences, int rows)
    {
        var batch = new BatchLayout(Rows, 2) { RowCount = rows, SequenceCount = sequences.Length, LogitRowCount = 2 };
        sequences.CopyTo(batch.Sequences, 0);
        for (int r = 0; r < Rows; r++)
        {
            (batch.TokenIds[r], batch.Positions[r]) = (r, 62 + r);
        }

        (batch.LogitRows[0], batch.LogitRows[1]) = (2, 4);
        return batch;
    }

    private static NormSpec Norm(IOperations d) => new(d.UploadVector(Tensor("n", 8)), 1e-6f);

    private static WeightMatrix Matrix(IOperations d) => d.UploadMatrix(Tensor("w", 6, 8));

    private static ExpertMatrix Experts(IOperations d) => d.UploadExperts([Tensor("w", 6, 8), Tensor("w", 6, 8)]);

    private static Activation Qkv(IOperations d) => d.AllocateActivation(Rows, 6 * HeadDim);

    private static RotaryTable Table(IOperations d, int positions) =>
        d.UploadRotary(new float[positions * HeadDim / 2], new float[positions * HeadDim / 2], positions, HeadDim);

    private static GeneratedTensor Tensor(string name, params int[] shape) => new(name, shape);

    private sealed class Delegating(IOperations? inner) : DelegatingOperations(inner);
}
