using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Grid.Models.Operations;
using Grid.Numerics;

namespace Grid.Models.SelfTest;

/// <summary>
/// Known-answer test of a device: every operation runs on fixed inputs, and the digest of its output bits must be the
/// contract's. A device that fails must not serve.
/// </summary>
public sealed class DeviceSelfTest
{
    private const int Rows = 70; // crosses a page
    private const int Width = 96;
    private const int Outputs = 80;
    private const int QueryHeads = 4;
    private const int KvHeads = 2;
    private const int ExpertCount = 8;
    private const int ExpertSlots = 3;
    private const int ExpertInner = 40; // no multiple of 16

    /// <summary>What the contract's version gives, by operation.</summary>
    public static IReadOnlyDictionary<string, string> KnownAnswers { get; } = new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["attend-128"] = "8eae2530a79c0cf2fb8c12ddcc65c66ab6b9c85a7ad7c0ec220ab7a97399200e",
        ["attend-128-decode"] = "9aabf83bf52b2b6b7e8903c53dcc450433ac24768f994c50dc740ca12d2dcda7",
        ["attend-64"] = "5884aab8a86d5499188a147d1f171e5e830ccf1174ab1e592be6a22940149afc",
        ["attend-64-decode"] = "9c2f850c1ac939d0ef682b85a818eae8bc6160d82c747424f1ae65845881d2d5",
        ["embed"] = "5762c1a56ce629c863a6ca9ea3305f59926845a868cde374f226b86e1a0ca81c",
        ["logits"] = "4f2c231e69fde41eb68de5caeff5abc67132a2a4cd0b735b1dfef2a2266f7cec",
        ["project"] = "0470edcf8a415dec07fac8366b3d759bcd84db3e8fca99657a7f98103385e647",
        ["project-add"] = "8c24c69d4b1259ffd40d1921a07c50a3a08cb407496ea67e5f5d045a029d8629",
        ["project-bias"] = "3f27544cba094658348fd27354706f51f35e3f2b7d1fe5fce9a02d71e2260a62",
        ["project-experts-add"] = "01b4c8265ac6976fb75bdca6f055fed61542d4ec4c65e19633ba1c18c427f8c7",
        ["project-experts-gated-silu"] = "8f25842092365e08d7d36c65947a8a20f62a7c12e94b480cc744cb607a85dec5",
        ["project-gated-silu"] = "a24297d06502f068a0d6ed22a210e56287a15fd6bb26a06183193bd1d06f5bf1",
        ["rms-norm"] = "983c3a7c783cf73986d09a6d4dff2ee735680842373332a8babf10864da68d43",
        ["rotate-128"] = "c0be941cb2b377842dc9fc8b02d5516aebc0dbfda76ba2065286a6d18a586902",
        ["rotate-128-decode"] = "5ece5c41dec8e7aee571821385a445d7c26e5c9895cc426b0f012b7593aff8ae",
        ["rotate-64"] = "cc6681a7621e05f48060461297e516515d51e8caa213e0d7862f31c2259fe1df",
        ["rotate-64-decode"] = "58b2b5877bbe4082d710f428ca961a461ed0a3ba8e71753cfe21d0a9f05155a2",
        ["route"] = "aa173879cbb98c0f144fd00ddb358a5e641a46ca87778d4c26b55f49c21adfea",
        ["route-unnormalized"] = "c66abf39458de57c7fe5794d70604bca2e20164633c2bf0179da894a94c74369",
        ["sample"] = "ce8fc73af3c07acd8261da6f2be422a6ba006aca8c33a86fc7f4f8f6c92a15d5",
    };

    private readonly IOperations _operations;
    private readonly SortedDictionary<string, string> _answers = new(StringComparer.Ordinal);

    private DeviceSelfTest(IOperations operations) => _operations = operations;

    /// <summary>Runs the test. Throws <see cref="DeviceSelfTestException"/> naming the operations whose bits are off.</summary>
    public static void Run(IOperations operations)
    {
        var answers = ComputeAnswers(operations);
        string[] wrong = [.. KnownAnswers.Keys.Where(k => answers[k] != KnownAnswers[k])];
        if (wrong.Length > 0)
        {
            throw new DeviceSelfTestException(operations.DeviceDescription, wrong);
        }
    }

    /// <summary>SHA-256 of every operation's output bits on the fixed inputs.</summary>
    public static IReadOnlyDictionary<string, string> ComputeAnswers(IOperations operations)
    {
        ArgumentNullException.ThrowIfNull(operations);
        var test = new DeviceSelfTest(operations);
        test.Rowwise();
        test.Experts();
        test.Attention(64);
        test.Attention(128);
        return test._answers;
    }

    /// <summary>Element i of input number <paramref name="stream"/>: bell-like in size, exact on every machine.</summary>
    public static ushort Element(int stream, long index)
    {
        ulong bits = Philox4x32.Draw((ulong)stream, index, 0);
        int exponent = 127 - Math.Min((int)(bits >> 8 & 15), 9);
        return (ushort)(((bits & 1) << 15) | ((ulong)exponent << 7) | ((bits >> 1) & 127));
    }

    private void Rowwise()
    {
        var x = Begin(new Generated("x", 1, Rows, Width), []);
        Record("embed", x);
        using var weight = _operations.UploadMatrix(new Generated("w", 2, Outputs, Width));
        using var gated = _operations.UploadGatedMatrix(new Generated("g", 3, Outputs, Width), new Generated("u", 4, Outputs, Width));
        var normalized = _operations.AllocateActivation(Rows, Width);
        _operations.RmsNorm(x, new NormSpec(_operations.UploadVector(new Generated("n", 5, Width)), 1e-6f), normalized);
        Record("rms-norm", normalized);
        var y = _operations.AllocateActivation(Rows, Outputs);
        _operations.Project(x, RowList.All, weight, Epilogue.Store(y));
        Record("project", y);
        _operations.Project(x, RowList.All, weight, Epilogue.AddTo(y));
        Record("project-add", y);
        _operations.Project(x, RowList.All, weight, Epilogue.Store(y) with { Bias = _operations.UploadVector(new Generated("b", 20, Outputs)) });
        Record("project-bias", y);
        _operations.Project(x, RowList.All, gated, Epilogue.GatedSilu(y));
        Record("project-gated-silu", y);
        Logits(x, weight);
    }

    private void Logits(Activation x, WeightMatrix weight)
    {
        using var logits = _operations.AllocateLogits(Rows, Outputs);
        _operations.Project(x, RowList.Logits(0, Rows), weight, Epilogue.Raw(logits));
        float[] values = new float[Rows * Outputs];
        _operations.Read(logits, Rows, values);
        Record("logits", MemoryMarshal.AsBytes(values.AsSpan()));

        var rows = new SamplingRow[Rows];
        for (int r = 0; r < Rows; r++)
        {
            rows[r] = new SamplingRow
            {
                LogitRow = r,
                Position = r,
                Logprobs = true,
                Parameters = new SamplingParameters { Seed = 7, Temperature = r % 5 * 0.4f, TopP = r % 2 == 0 ? 1f : 0.9f, TopK = r % 3 * 10 },
            };
        }

        var sampled = new SampledToken[Rows];
        _operations.Sample(logits, rows, sampled);
        Record("sample", MemoryMarshal.AsBytes<float>([.. sampled.SelectMany(s => (float[])[s.TokenId, s.Logprob])]));
    }

    private void Experts()
    {
        var x = Begin(new Generated("x", 9, Rows, Width), []);
        // Experts e and e + 4 tie in every logit and give opposite outputs, some of them large: where they cancel, the order and
        // the roundings of the sum show.
        const int Half = ExpertCount / 2;
        TensorSource[] Equal(int stream) => [.. Enumerable.Range(0, ExpertCount).Select(e => new Generated("e", stream + (e % Half), ExpertInner, Width))];
        TensorSource[] opposite = [.. Enumerable.Range(0, ExpertCount).Select(e =>
            new Generated("e", 40 + (e % Half), Width, ExpertInner) { Exponent = e % Half < 2 ? 18 : 0, Negative = e >= Half })];
        var preference = new Generated("r", 10, Half, Width);
        using var router = _operations.UploadMatrix(preference, preference);
        using var gateUp = _operations.UploadGatedExperts(Equal(20), Equal(30));
        using var down = _operations.UploadExperts(opposite);
        var routing = _operations.AllocateRouting(Rows, ExpertCount, ExpertSlots, Width);
        foreach (bool normalize in (ReadOnlySpan<bool>)[false, true])
        {
            int[] experts = new int[Rows * ExpertSlots];
            float[] weights = new float[Rows * ExpertSlots];
            _operations.Route(x, router, new RoutingSpec(normalize), routing);
            _operations.Read(routing, Rows, experts, weights);
            Record(normalize ? "route" : "route-unnormalized", [.. MemoryMarshal.AsBytes(experts.AsSpan()), .. MemoryMarshal.AsBytes(weights.AsSpan())]);
        }

        var gated = _operations.AllocateActivation(Rows, ExpertSlots * ExpertInner);
        _operations.ProjectExperts(x, routing, gateUp, Epilogue.GatedSilu(gated));
        Record("project-experts-gated-silu", gated);
        _operations.ProjectExperts(gated, routing, down, Epilogue.AddTo(x));
        Record("project-experts-add", x);
    }

    /// <summary>A prompt across a page's end, then the token after it.</summary>
    private void Attention(int headDim)
    {
        using var cache = _operations.AllocateKvCache(1, KvHeads, headDim, 2);
        var rotary = RotaryEmbedding.Compute(Rows + 1, headDim, 10000);
        var table = _operations.UploadRotary(rotary.Cos, rotary.Sin, Rows + 1, headDim);
        var queryNorm = _operations.UploadVector(new Generated("qn", 7, headDim));
        var keyNorm = _operations.UploadVector(new Generated("kn", 8, headDim));
        int width = (QueryHeads + (2 * KvHeads)) * headDim;
        var layer = new KvLayer(cache, 0);
        var spec = new RotarySpec(QueryHeads, table) { QueryNorm = queryNorm, KeyNorm = keyNorm, Epsilon = 1e-6f };
        foreach (bool decode in (ReadOnlySpan<bool>)[false, true])
        {
            int rows = decode ? 1 : Rows;
            var qkv = Begin(new Generated("qkv", decode ? 11 : 6, rows, width), [1, 0], decode ? Rows : 0);
            _operations.RotateAndStore(qkv, spec, layer);
            RecordColumns($"rotate-{headDim}{(decode ? "-decode" : "")}", qkv, rows, QueryHeads * headDim); // k and v went to the pages
            var attended = _operations.AllocateActivation(rows, QueryHeads * headDim);
            _operations.Attend(qkv, new AttentionSpec(QueryHeads, 0.25f), layer, attended);
            Record($"attend-{headDim}{(decode ? "-decode" : "")}", attended, rows);
        }
    }

    private Activation Begin(Generated rows, int[] pageTable, int firstPosition = 0)
    {
        var batch = new BatchLayout(rows.Rows, 1) { RowCount = rows.Rows, SequenceCount = 1, LogitRowCount = rows.Rows };
        for (int r = 0; r < rows.Rows; r++)
        {
            (batch.TokenIds[r], batch.Positions[r], batch.LogitRows[r]) = (r, firstPosition + r, r);
        }

        batch.Sequences[0] = new SequenceSlice(0, rows.Rows, pageTable);
        _operations.BeginStep(batch);
        var activation = _operations.AllocateActivation(rows.Rows, rows.Columns);
        using var table = _operations.UploadMatrix(rows);
        _operations.Embed(table, activation);
        return activation;
    }

    private void Record(string operation, Activation activation, int rows = Rows) =>
        RecordColumns(operation, activation, rows, activation.Width);

    private void RecordColumns(string operation, Activation activation, int rows, int columns)
    {
        ushort[] bits = new ushort[rows * activation.Width];
        _operations.Read(activation, rows, bits);
        ushort[] recorded = [.. bits.Where((_, i) => i % activation.Width < columns)];
        Record(operation, MemoryMarshal.AsBytes(recorded.AsSpan()));
    }

    private void Record(string operation, ReadOnlySpan<byte> bits) => _answers[operation] = Convert.ToHexStringLower(SHA256.HashData(bits));

    private sealed class Generated(string name, int stream, params int[] shape) : TensorSource(name, shape)
    {
        /// <summary>Values are multiplied by 2^Exponent.</summary>
        public int Exponent { get; init; }

        public bool Negative { get; init; }

        public override void CopyRow(int row, Span<ushort> destination)
        {
            for (int i = 0; i < destination.Length; i++)
            {
                int bits = Element(stream, ((long)row * Columns) + i) + (Exponent << 7);
                destination[i] = (ushort)(Negative ? bits ^ 0x8000 : bits);
            }
        }
    }
}

/// <summary>A device whose arithmetic is not the contract's.</summary>
public sealed class DeviceSelfTestException(string device, IReadOnlyList<string> operations)
    : Exception($"{device} failed its self-test: the bits of {string.Join(", ", operations)} are not those of the numeric contract. It must not serve.")
{
    /// <summary>The operations whose bits are off.</summary>
    public IReadOnlyList<string> Operations { get; } = operations;
}
