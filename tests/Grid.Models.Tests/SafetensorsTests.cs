using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Grid.Models.Checkpoints;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

public sealed class SafetensorsTests : IDisposable
{
    private static readonly string[] s_insertions = ["9", " ", "-", "\\ud800", "\\u0041", "[", "},\"a\":{", "null"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Bf16_tensors_come_back_bit_for_bit()
    {
        var random = new Random(3);
        ushort[] matrix = SafetensorsBuilder.RandomBf16(random, 5 * 7);
        ushort[] vector = SafetensorsBuilder.RandomBf16(random, 9);
        var builder = new SafetensorsBuilder().AddBf16("m", [5, 7], matrix).AddBf16("v", [9], vector);
        builder.Header["__metadata__"] = new JsonObject { ["format"] = "pt" };
        using var checkpoint = Open(builder.Build());

        Assert.Equal(matrix, ReadAll(checkpoint.Find("m", 5, 7)));
        Assert.Equal(vector, ReadAll(checkpoint.Find("v", 9)));
    }

    [Fact]
    public void Fp32_is_rounded_to_nearest_even_and_fp16_is_widened_first()
    {
        float[] singles = [1f, 1.00390625f, 1.01171875f, 1.0039065f, -3.1415927f, 1e-40f, 0f, -0f];
        ushort[] roundedSingles = [0x3F80, 0x3F80, 0x3F82, 0x3F81, 0xC049, 0x0001, 0x0000, 0x8000];
        Half[] halves = [(Half)1f, (Half)1.0039062f, (Half)(-0.33325195f), Half.Epsilon, Half.MaxValue];
        ushort[] roundedHalves = [0x3F80, 0x3F80, 0xBEAB, 0x3380, 0x4780];
        using var checkpoint = Open(
            new SafetensorsBuilder().AddF32("s", [8], singles).AddF16("h", [5], halves).Build());

        Assert.Equal(roundedSingles, ReadAll(checkpoint.Find("s", 8)));
        Assert.Equal(roundedHalves, ReadAll(checkpoint.Find("h", 5)));
    }

    [Fact]
    public void Single_values_and_tensors_without_values_are_read_as_such()
    {
        using var checkpoint = Open(new SafetensorsBuilder()
            .AddBf16("none", [0, 3], []).AddF32("one", [], [0.5f]).AddBf16("wide", [2147483647, 2147483647, 2147483647, 0], [])
            .AddBf16("v", [2], [7, 8]).AddBf16("last", [0], []).Build());

        Assert.Equal([(ushort)0x3F00], ReadAll(checkpoint.Find("one")));
        Assert.Equal([(ushort)7, (ushort)8], ReadAll(checkpoint.Find("v", 2)));
        Assert.Empty(ReadAll(checkpoint.Find("none", 0, 3)));
        Assert.All(checkpoint.Tensors.Values, tensor => Assert.NotEmpty(tensor.Identify(TestContext.Current.CancellationToken)));
        Assert.All(checkpoint.Tensors.Values, tensor => tensor.Release());
        using var empty = Open(new SafetensorsBuilder().AddBf16("none", [0], []).Build());
        Assert.Empty(ReadAll(empty.Find("none", 0)));
    }

    [Fact]
    public void A_single_value_that_is_not_finite_is_named()
    {
        using var checkpoint = Open(new SafetensorsBuilder().AddF32("one", [], [float.NaN]).Build());

        Assert.Equal("one[]", Assert.Throws<ModelFormatException>(() => checkpoint.Find("one").Identify(TestContext.Current.CancellationToken)).Field);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("model.safetensors.index.json")]
    [InlineData("tokenizer.json")]
    public void A_pointer_of_git_lfs_is_named_as_one(string file)
    {
        new TinyCheckpoint().Write(_folder);
        File.Delete(_folder.File("model.safetensors"));
        File.WriteAllText(_folder.File(file),
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n");
        var folder = ModelFolder.Open(_folder.Path);

        var e = Assert.Throws<ModelFormatException>(() => file == "tokenizer.json" ? folder.ReadTextFiles() : (object)Checkpoint.Open(folder));

        Assert.EndsWith(file, e.File, StringComparison.Ordinal);
        Assert.Contains("a git-lfs pointer", e.Value, StringComparison.Ordinal);
        Assert.Contains("git lfs pull", e.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_tensor_and_a_wrong_shape_are_named()
    {
        using var checkpoint = Open(Sample().Build());

        var missing = Assert.Throws<ModelFormatException>(() => checkpoint.Find("other", 3, 4));
        Assert.Equal(("other", "absent"), (missing.Field, missing.Value));
        Assert.Contains("[3, 4]", missing.Rule, StringComparison.Ordinal);
        var shape = Assert.Throws<ModelFormatException>(() => checkpoint.Find("a", 3, 2));
        Assert.Equal(("a.shape", "[2, 3]"), (shape.Field, shape.Value));
        Assert.Contains("[3, 2]", shape.Rule, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x7FC0, "NaN")]
    [InlineData(0xFF81, "NaN")]
    [InlineData(0x7F80, "infinite")]
    [InlineData(0xFF80, "infinite")]
    public void A_NaN_or_infinity_is_refused_with_its_tensor_and_index(int bits, string word)
    {
        // Behind the first block that is inspected, and at a place that vectors of no width begin at.
        ushort[] values = new ushort[40 * 1000];
        values[37 * 1000 + 13] = (ushort)bits;
        using var checkpoint = Open(new SafetensorsBuilder().AddBf16("w", [40, 1000], values).Build());

        var e = Assert.Throws<ModelFormatException>(() => checkpoint.Find("w", 40, 1000).Identify(TestContext.Current.CancellationToken));

        Assert.Equal("w[37, 13]", e.Field);
        Assert.Contains(word, e.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_position_of_a_non_finite_value_is_found()
    {
        for (int length = 1; length < 80; length++)
        {
            for (int at = 0; at < length; at++)
            {
                ushort[] values = new ushort[length];
                Array.Fill(values, (ushort)0x7F7F);
                Assert.Equal(-1, Bf16Rows.IndexOfNonFinite(values));
                values[at] = 0xFF80;
                Assert.Equal(at, Bf16Rows.IndexOfNonFinite(values));
            }
        }
    }

    [Fact]
    public void An_fp32_weight_beyond_bf16_is_refused()
    {
        using var checkpoint = Open(new SafetensorsBuilder().AddF32("w", [2], [1f, float.MaxValue]).Build());

        var e = Assert.Throws<ModelFormatException>(() => checkpoint.Find("w", 2).Identify(TestContext.Current.CancellationToken));

        Assert.Equal(("w[1]", "infinite in bf16"), (e.Field, e.Value));
    }

    /// <summary>fp32 bits around the places where rounding to bf16 changes its mind.</summary>
    [Theory]
    [InlineData(0x3F808000u, 0x3F80)] // a tie goes to the even neighbour, downwards
    [InlineData(0x3F818000u, 0x3F82)] // and upwards
    [InlineData(0x3F808001u, 0x3F81)]
    [InlineData(0x3F807FFFu, 0x3F80)]
    [InlineData(0xBFFF8000u, 0xC000)] // into the next power of two
    [InlineData(0x7F7F7FFFu, 0x7F7F)] // the largest that stays finite
    [InlineData(0xFF7F7FFFu, 0xFF7F)]
    [InlineData(0x007FFFFFu, 0x0080)] // the largest subnormal becomes normal
    [InlineData(0x00008000u, 0x0000)]
    [InlineData(0x00008001u, 0x0001)]
    [InlineData(0x80000001u, 0x8000)]
    public void Fp32_rounds_at_the_edges(uint bits, int expected)
    {
        using var checkpoint = Open(new SafetensorsBuilder().AddF32("w", [1], [BitConverter.UInt32BitsToSingle(bits)]).Build());

        Assert.Equal([(ushort)expected], ReadAll(checkpoint.Find("w", 1)));
        Assert.NotEmpty(checkpoint.Find("w", 1).Identify(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(0x7F7F8000u, "infinite in bf16")] // the first fp32 that rounds to infinity
    [InlineData(0xFF7FFFFFu, "infinite in bf16")]
    [InlineData(0x7F800000u, "infinite in bf16")]
    [InlineData(0x7F800001u, "NaN")] // a NaN whose upper half alone is an infinity
    [InlineData(0xFFFFFFFFu, "NaN")]
    public void Fp32_beyond_bf16_is_refused(uint bits, string value)
    {
        using var checkpoint = Open(new SafetensorsBuilder().AddF32("w", [1], [BitConverter.UInt32BitsToSingle(bits)]).Build());

        var e = Assert.Throws<ModelFormatException>(() => checkpoint.Find("w", 1).Identify(TestContext.Current.CancellationToken));

        Assert.Equal(("w[0]", value), (e.Field, e.Value));
    }

    [Theory]
    [InlineData(0x7C00, "infinite in bf16")]
    [InlineData(0xFC01, "NaN")]
    public void Fp16_infinities_and_NaNs_are_refused(int bits, string value)
    {
        using var checkpoint = Open(new SafetensorsBuilder().AddF16("w", [1], [BitConverter.UInt16BitsToHalf((ushort)bits)]).Build());

        Assert.Equal(value, Assert.Throws<ModelFormatException>(() => checkpoint.Find("w", 1).Identify(TestContext.Current.CancellationToken)).Value);
    }

    [Fact]
    public void A_truncated_file_is_refused_at_every_length()
    {
        byte[] file = Sample().Build();
        for (int length = 0; length < file.Length; length++)
        {
            Assert.Throws<ModelFormatException>(() => Open(file[..length]).Dispose());
        }

        Open(file).Dispose();
    }

    [Fact]
    public void Bytes_behind_the_last_tensor_are_refused()
    {
        var e = Assert.Throws<ModelFormatException>(() => Open([.. Sample().Build(), 0]));

        Assert.Equal("tensor data", e.Field);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL)]
    [InlineData(100_000_001UL)]
    [InlineData(ulong.MaxValue)]
    public void A_header_length_out_of_bounds_is_refused(ulong length)
    {
        byte[] file = Sample().Build();
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);

        Assert.Equal("header length", Assert.Throws<ModelFormatException>(() => Open(file)).Field);
    }

    [Theory]
    [InlineData("a.dtype", "\"I64\"", "BF16, F16 or F32")]
    [InlineData("a.dtype", "null", "BF16, F16 or F32")]
    [InlineData("a.dtype", "\"F32\"", "does not take 12 bytes")]
    [InlineData("a.shape", "[2, 4]", "does not take 12 bytes")]
    [InlineData("a.shape", "[]", "does not take 12 bytes")]
    [InlineData("a.shape", "[0, 3]", "does not take 12 bytes")]
    [InlineData("a.shape", "[-2, -3]", "integers of at least 0")]
    [InlineData("a.shape", "[2.0, 3]", "integers of at least 0")]
    [InlineData("a.shape", "6", "integers of at least 0")]
    [InlineData("a.shape", "[1, 1, 1, 1, 1, 1, 1, 2, 3]", "at most 8 integers")]
    [InlineData("a.shape", "[2147483647, 2147483647, 2147483647]", "does not take 12 bytes")]
    [InlineData("a.data_offsets", "[0]", "[begin, end]")]
    [InlineData("a.data_offsets", "[-2, 10]", "[begin, end]")]
    [InlineData("a.data_offsets", "[12, 0]", "[begin, end]")]
    [InlineData("a.data_offsets", "[0, 4096]", "truncated?")]
    [InlineData("a.data_offsets", "[0, 1e30]", "[begin, end]")]
    [InlineData("a.data_offsets", "[2, 14]", "must begin at 0")]
    [InlineData("b.data_offsets", "[10, 18]", "must begin at 12")]
    [InlineData("b.data_offsets", "[0, 8]", "must begin at 8")]
    [InlineData("b.extra", "1", "dtype, shape and data_offsets only")]
    [InlineData("b", "[]", "JSON object")]
    public void A_header_entry_that_breaks_a_rule_is_refused(string field, string value, string rule)
    {
        var builder = Sample();
        string[] path = field.Split('.');
        var node = JsonNode.Parse(value);
        if (path.Length == 1)
        {
            builder.Header[path[0]] = node;
        }
        else
        {
            builder.Header[path[0]]![path[1]] = node;
        }

        var e = Assert.Throws<ModelFormatException>(() => Open(builder.Build()));

        Assert.Contains(rule, e.Rule, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_appears_twice_is_refused()
    {
        string header = Sample().Header.ToJsonString().Replace("\"b\":", "\"a\":", StringComparison.Ordinal);

        Assert.Throws<ModelFormatException>(() => Open(Sample().Build(header)));
    }

    [Fact]
    public void A_gap_in_the_data_is_refused()
    {
        var builder = Sample();
        builder.Header.Remove("b");

        Assert.Equal("c.data_offsets", Assert.Throws<ModelFormatException>(() => Open(builder.Build())).Field);
    }

    [Fact]
    public void Mutated_files_are_refused_or_stay_readable()
    {
        byte[] good = Sample().Build();
        var random = new Random(20261123);
        int refused = 0;
        for (int trial = 0; trial < 3000; trial++)
        {
            byte[] file = Mutate(random, good);
            try
            {
                using var checkpoint = Open(file);
                foreach (var tensor in checkpoint.Tensors.Values)
                {
                    tensor.Identify(TestContext.Current.CancellationToken);
                }
            }
            catch (ModelFormatException)
            {
                refused++; // any other exception, or a crash, is the failure this test looks for
            }
        }

        Assert.InRange(refused, 1500, 3000);
    }

    private static byte[] Mutate(Random random, byte[] good)
    {
        byte[] file = [.. good];
        int headerEnd = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(good);
        for (int edit = random.Next(1, 4); edit > 0; edit--)
        {
            switch (random.Next(6))
            {
                case 0: // any byte of the file
                    file[random.Next(file.Length)] = (byte)random.Next(256);
                    break;
                case 1: // a byte of the header
                    file[random.Next(Math.Min(headerEnd, file.Length))] = (byte)random.Next(256);
                    break;
                case 2: // a digit becomes another
                    int[] digits = [.. Enumerable.Range(8, Math.Min(headerEnd, file.Length) - 8).Where(i => char.IsAsciiDigit((char)file[i]))];
                    file[digits.Length == 0 ? 0 : digits[random.Next(digits.Length)]] = (byte)('0' + random.Next(10));
                    break;
                case 3: // cut off, but keep enough to edit
                    file = file[..random.Next(9, file.Length + 1)];
                    break;
                case 4: // bytes slipped into the header, whose length follows
                    int at = random.Next(8, Math.Min(headerEnd, file.Length) + 1);
                    byte[] inserted = Encoding.ASCII.GetBytes(s_insertions[random.Next(s_insertions.Length)]);
                    file = [.. file[..at], .. inserted, .. file[at..]];
                    headerEnd += inserted.Length;
                    BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)(headerEnd - 8));
                    break;
                default: // a piece copied elsewhere
                    int length = random.Next(1, Math.Min(16, file.Length));
                    int from = random.Next(file.Length - length);
                    file.AsSpan(from, length).ToArray().CopyTo(file, random.Next(file.Length - length));
                    break;
            }
        }

        return file;
    }

    private static SafetensorsBuilder Sample() => new SafetensorsBuilder()
        .AddBf16("a", [2, 3], [1, 2, 3, 4, 5, 6])
        .AddBf16("b", [4], [7, 8, 9, 10])
        .AddF32("c", [2], [0.5f, -0.25f]);

    private Checkpoint Open(byte[] file)
    {
        File.WriteAllBytes(_folder.File("model.safetensors"), file);
        return Checkpoint.Open(ModelFolder.Open(_folder.Path));
    }

    private static ushort[] ReadAll(SafetensorsTensor tensor)
    {
        ushort[] values = new ushort[tensor.Rows * tensor.Columns];
        for (int row = 0; row < tensor.Rows; row++)
        {
            tensor.CopyRow(row, values.AsSpan(row * tensor.Columns, tensor.Columns));
        }

        return values;
    }
}
