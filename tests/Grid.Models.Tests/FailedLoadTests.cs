using System.Text;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>Folders that are damaged somewhere: refused with a sentence, and nothing stays behind.</summary>
public sealed class FailedLoadTests : IDisposable
{
    private static readonly string[] s_pieces = ["\"", "{", "}", "[", ",", ":", "null", "-1", "1e99", "99999999999999999999", "\\u0000", "../x", "true", " "];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a missing tensor")]
    [InlineData("a tensor too many")]
    [InlineData("a NaN at the end")]
    [InlineData("a NaN at the start")]
    [InlineData("another shape")]
    [InlineData("another tied head")]
    [InlineData("nothing")]
    public void Everything_uploaded_is_freed_exactly_once(string damage)
    {
        var checkpoint = new TinyCheckpoint();
        Damage(checkpoint, damage);
        checkpoint.Write(_folder);
        using var recorder = new UploadRecorder();

        try
        {
            ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions()).Dispose();
            Assert.Equal("nothing", damage);
        }
        catch (ModelFormatException)
        {
            Assert.NotEqual("nothing", damage);
        }

        Assert.Equal(recorder.Matrices.Order(StringComparer.Ordinal), recorder.Freed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_device_that_fails_during_the_load_gets_its_weights_back()
    {
        new TinyCheckpoint().Write(_folder);
        using var recorder = new UploadRecorder();
        var broken = new InvalidOperationException("out of memory");

        var e = Assert.Throws<InvalidOperationException>(() => ModelLoader.Load(
            _folder.Path, recorder, new ModelLoadOptions(), new ThrowAfter(7, broken)));

        Assert.Same(broken, e);
        Assert.NotEmpty(recorder.Freed);
        Assert.Equal(recorder.Matrices.Order(StringComparer.Ordinal), recorder.Freed.Order(StringComparer.Ordinal));
    }

    /// <summary>Config, index and shards of a valid folder, edited at random: refused, or loaded whole.</summary>
    [Fact]
    public void Mutated_folders_are_refused_or_load()
    {
        var checkpoint = new TinyCheckpoint();
        var good = Shards(checkpoint);
        string[] names = [.. good.Keys.Order(StringComparer.Ordinal)];
        var random = new Random(20261124);
        int refused = 0, loaded = 0;
        for (int trial = 0; trial < 1200; trial++)
        {
            string name = names[trial % names.Length];
            foreach (string file in names)
            {
                File.WriteAllBytes(_folder.File(file), file == name ? Mutate(random, good[file]) : good[file]);
            }

            using var recorder = new UploadRecorder();
            try
            {
                using var model = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions { MaxBatchTokens = 1 });
                Assert.Equal(checkpoint.Tensors.Keys.ToHashSet(), recorder.Uploaded.Keys.ToHashSet());
                Assert.All(recorder.Uploaded.Values, values => Assert.All(values, value => Assert.True(Numerics.Bf16.IsFinite(value))));
                loaded++;
            }
            catch (ModelFormatException)
            {
                refused++; // any other exception, or a crash, is the failure this test looks for
            }

            Assert.Equal(recorder.Matrices.Count, recorder.Freed.Count);
        }

        Assert.InRange(refused, 500, 1150);
        Assert.InRange(loaded, 50, 700);
    }

    private static void Damage(TinyCheckpoint checkpoint, string damage)
    {
        (int[] shape, ushort[] values) = checkpoint.Tensors["model.embed_tokens.weight"];
        switch (damage)
        {
            case "a missing tensor":
                checkpoint.Tensors.Remove("model.norm.weight");
                break;
            case "a tensor too many":
                checkpoint.Tensors.Add("model.layers.1.extra", ([2], new ushort[2]));
                break;
            case "a NaN at the end":
                checkpoint.Tensors["model.norm.weight"].Values[^1] = 0x7FC0;
                break;
            case "a NaN at the start":
                values[0] = 0xFFC0;
                break;
            case "another shape":
                checkpoint.Tensors["model.layers.1.mlp.down_proj.weight"] = ([TinyCheckpoint.Intermediate, TinyCheckpoint.Hidden],
                    checkpoint.Tensors["model.layers.1.mlp.down_proj.weight"].Values);
                break;
            case "another tied head":
                checkpoint.Tensors.Add("lm_head.weight", (shape, [.. values.Select(v => (ushort)(v ^ 1))]));
                break;
        }
    }

    private static Dictionary<string, byte[]> Shards(TinyCheckpoint checkpoint)
    {
        SafetensorsBuilder[] shards = [new(), new()];
        var map = new List<string>();
        foreach ((string name, (int[] shape, ushort[] values)) in checkpoint.Tensors)
        {
            int shard = name.Contains("layers.1", StringComparison.Ordinal) ? 1 : 0;
            shards[shard].AddBf16(name, shape, values);
            map.Add($"\"{name}\":\"model-{shard}.safetensors\"");
        }

        return new Dictionary<string, byte[]>
        {
            ["config.json"] = Encoding.UTF8.GetBytes(TinyCheckpoint.Config),
            ["model-0.safetensors"] = shards[0].Build(),
            ["model-1.safetensors"] = shards[1].Build(),
            ["model.safetensors.index.json"] = Encoding.UTF8.GetBytes($"{{\"metadata\":{{\"total_size\":1}},\"weight_map\":{{{string.Join(',', map)}}}}}"),
        };
    }

    private static byte[] Mutate(Random random, byte[] good)
    {
        // In a weights file mostly the header, whose bytes mean most.
        int reach = random.Next(4) == 0 ? good.Length : Math.Min(good.Length, 2000);
        List<byte> bytes = [.. good];
        for (int edit = random.Next(1, 3); edit > 0; edit--)
        {
            int at = random.Next(Math.Min(reach, bytes.Count));
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.ASCII.GetBytes(s_pieces[random.Next(s_pieces.Length)]));
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                    break;
                default:
                    int digit = bytes.FindIndex(at, b => char.IsAsciiDigit((char)b));
                    bytes[Math.Max(digit, 0)] = (byte)('0' + random.Next(10));
                    break;
            }
        }

        return [.. bytes];
    }

    private sealed class ThrowAfter(int reports, Exception exception) : IProgress<ModelLoadProgress>
    {
        private int _left = reports;

        public void Report(ModelLoadProgress value)
        {
            if (--_left == 0)
            {
                throw exception;
            }
        }
    }
}
