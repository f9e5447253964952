using Grid.Cpu;
using Grid.Models.Architectures.Decoder;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

/// <summary>Other weights in the place of a loaded model's: all the bits are those of a fresh load, or nothing has changed.</summary>
public sealed class PreparedWeightsTests : IDisposable
{
    private static readonly int[] s_ids = [1, 5, 9, 13, 2, 40, 7];

    private readonly TemporaryFolder _first = new();
    private readonly TemporaryFolder _second = new();
    private readonly CpuOperations _operations = new(new CpuOptions { Threads = 1 });

    public void Dispose()
    {
        _operations.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    [Fact]
    public void A_checkpoint_takes_the_place_of_another()
    {
        new TinyCheckpoint(seed: 1).Write(_first);
        new TinyCheckpoint(seed: 2).Write(_second);
        using var model = Load(_first.Path);
        using var other = Load(_second.Path);
        var (own, its) = (Bits(model), Bits(other));
        Assert.NotEqual(own, its);
        using (var prepared = ModelLoader.Prepare(_second.Path, model, _operations, new()))
        {
            Assert.Equal(other.NumericsId, prepared.NumericsId);
            Assert.Equal(own, Bits(model));
            prepared.Apply();
        }

        Assert.Equal(its, Bits(model));
        using var back = ModelLoader.Prepare(_first.Path, model, _operations, new());
        Assert.Equal(model.NumericsId, back.NumericsId);
        back.Apply();
        Assert.Equal(own, Bits(model));
    }

    /// <summary>Biases, untied heads, experts: whatever an architecture has.</summary>
    [Theory]
    [InlineData("random-llama")]
    [InlineData("random-mistral")]
    [InlineData("random-qwen2")]
    [InlineData("random-qwen3")]
    [InlineData("random-qwen3-moe")]
    [InlineData("random-qwen3-moe-mixed")]
    public void Every_weight_of_every_architecture_is_replaced(string name)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "Reference", name);
        using var model = Load(folder);
        var dummy = new ModelLoadOptions { LoadFormat = LoadFormat.Dummy, DummySeed = 7 };
        using var fresh = ModelLoader.Load(folder, _operations, dummy);
        using var prepared = ModelLoader.Prepare(folder, model, _operations, dummy);
        Assert.Equal(fresh.NumericsId, prepared.NumericsId);
        prepared.Apply();
        Assert.Equal(Bits(fresh), Bits(model));
    }

    [Theory]
    [InlineData("a missing tensor", "absent")]
    [InlineData("a tensor too many", "has no such tensor")]
    [InlineData("a NaN", "NaN")]
    [InlineData("another shape", "asks for [32]")]
    [InlineData("a wider model", "intermediate_size is 96; the model that runs has 64")]
    [InlineData("another epsilon", "norm_epsilon")]
    [InlineData("another architecture", "architecture is")]
    [InlineData("a git-lfs pointer", "git-lfs pointer")]
    [InlineData("a cut file", "model.safetensors")]
    [InlineData("no folder", "existing folder")]
    public void One_that_fails_a_check_leaves_the_weights_as_they_were(string fault, string message)
    {
        new TinyCheckpoint(seed: 1).Write(_first);
        using var model = Load(_first.Path);
        float[] own = Bits(model);
        var checkpoint = new TinyCheckpoint(seed: 2);
        string norm = "model.norm.weight", config = TinyCheckpoint.Config;
        switch (fault)
        {
            case "a missing tensor":
                checkpoint.Tensors.Remove(norm);
                break;
            case "a tensor too many":
                checkpoint.Tensors.Add("model.layers.9.mlp.up_proj.weight", ([1], [0x3F80]));
                break;
            case "a NaN":
                checkpoint.Tensors[norm].Values[^1] = 0x7FC1;
                break;
            case "another shape":
                checkpoint.Tensors[norm] = ([16, 2], checkpoint.Tensors[norm].Values);
                break;
            case "a wider model":
                config = config.Replace("\"intermediate_size\": 64", "\"intermediate_size\": 96", StringComparison.Ordinal);
                break;
            case "another epsilon":
                config = config.Replace("1e-06", "1e-05", StringComparison.Ordinal);
                break;
            case "another architecture":
                config = config.Replace("Qwen3ForCausalLM", "LlamaForCausalLM", StringComparison.Ordinal).Replace("qwen3", "llama", StringComparison.Ordinal);
                break;
        }

        checkpoint.Write(_second, config);
        string path = fault == "no folder" ? _second.File("none") : _second.Path, file = _second.File("model.safetensors");
        switch (fault)
        {
            case "a git-lfs pointer":
                File.WriteAllText(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0000000000000000000000000000000000000000000000000000000000000000\nsize 12345\n");
                break;
            case "a cut file":
                File.WriteAllBytes(file, File.ReadAllBytes(file)[..^2]);
                break;
        }

        var e = Assert.Throws<ModelFormatException>(() => ModelLoader.Prepare(path, model, _operations, new()));
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Equal(own, Bits(model));
    }

    /// <summary>Its tokens that end an answer are the texts', which stay.</summary>
    [Fact]
    public void What_ends_an_answer_stays()
    {
        new TinyCheckpoint(seed: 1).Write(_first);
        new TinyCheckpoint(seed: 2).Write(_second, TinyCheckpoint.Config.Replace("\"eos_token_id\": 7,", "", StringComparison.Ordinal));
        using var model = Load(_first.Path);
        using var prepared = ModelLoader.Prepare(_second.Path, model, _operations, new());
        new TinyCheckpoint(seed: 2).Write(_second);
        using var fresh = Load(_second.Path);
        Assert.Equal(fresh.NumericsId, prepared.NumericsId);
    }

    [Fact]
    public void A_file_that_changes_between_its_two_readings_is_noticed()
    {
        new TinyCheckpoint(seed: 1).Write(_first);
        new TinyCheckpoint(seed: 2).Write(_second);
        using var model = Load(_first.Path);
        using var prepared = ModelLoader.Prepare(_second.Path, model, _operations, new());
        using (var file = File.Open(_second.File("model.safetensors"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.Seek(-1, SeekOrigin.End);
            file.WriteByte(0x3F);
            file.Seek(-2, SeekOrigin.End);
            file.WriteByte(0x81);
        }

        Assert.Contains("must not change", Assert.Throws<ModelFormatException>(prepared.Apply).Message, StringComparison.Ordinal);
    }

    private LoadedModel Load(string folder) => ModelLoader.Load(folder, _operations, new ModelLoadOptions());

    private float[] Bits(LoadedModel model) => new SequenceRunner((DecoderModel)model.Model, _operations, 64).Feed(s_ids);
}
