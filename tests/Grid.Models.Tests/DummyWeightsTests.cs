using System.Text.Json.Nodes;
using Grid.Models.Identity;
using Grid.Models.Tests.Support;
using Grid.Numerics;

namespace Grid.Models.Tests;

public sealed class DummyWeightsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_config_alone_makes_a_model_of_the_generator_s_values()
    {
        var (_, recorder) = Load(TinyCheckpoint.Config);

        var expected = new TinyCheckpoint();
        Assert.Equal(expected.Tensors.Keys.ToHashSet(), recorder.Uploaded.Keys.ToHashSet());
        foreach ((string name, (int[] shape, _)) in expected.Tensors)
        {
            var tensor = DummyWeights.Describe(name, shape);
            ushort[] values = [.. Enumerable.Range(0, shape.Aggregate(1, (a, b) => a * b)).Select(i => DummyWeights.Element(tensor, i))];
            Assert.Equal(values, recorder.Uploaded[name]);
        }
    }

    [Fact]
    public void The_id_follows_from_the_config_and_is_no_checkpoint_s()
    {
        var id = Load(TinyCheckpoint.Config).Id;

        Assert.Equal(id, Load(TinyCheckpoint.Config).Id);
        Assert.NotEqual(id, Load(With("rms_norm_eps", "1e-5")).Id);

        // A checkpoint of the very same values is another model all the same.
        var checkpoint = new TinyCheckpoint();
        foreach (string name in checkpoint.Tensors.Keys)
        {
            (int[] shape, ushort[] values) = checkpoint.Tensors[name];
            DummyWeights.Fill(DummyWeights.Describe(name, shape), 0, values);
        }

        checkpoint.Write(_folder);
        using var recorder = new UploadRecorder();
        using var real = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions());
        Assert.NotEqual(id, real.NumericsId);
    }

    [Fact]
    public void Weights_in_the_folder_are_not_read()
    {
        File.WriteAllText(_folder.File("model.safetensors"), "no weights");

        Load(TinyCheckpoint.Config);
    }

    [Theory]
    [InlineData("Qwen/Qwen3-0.6B", 28, 1024)]
    [InlineData("Qwen/Qwen3-8B", 36, 4096)]
    [InlineData("Qwen/Qwen3-30B-A3B", 48, 2048)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 32, 4096)]
    public void Configurations_of_published_models_ship(string name, int layers, int hidden)
    {
        var config = ModelFolder.Open(ShippedConfigs.Find(name)!).ReadConfig();

        Assert.Contains(name, ShippedConfigs.Names);
        Assert.Equal((layers, hidden), (config.Layers, config.HiddenSize));
        Assert.NotEmpty(config.EndTokenIds);
    }

    [Fact]
    public void Names_that_do_not_ship_are_not_found()
    {
        Assert.Null(ShippedConfigs.Find("Qwen/Qwen3-9B"));
        Assert.Null(ShippedConfigs.Find("../demo"));
        Assert.Null(ShippedConfigs.Find("Qwen"));
    }

    private static string With(string field, string value)
    {
        var config = JsonNode.Parse(TinyCheckpoint.Config)!;
        config[field] = JsonNode.Parse(value);
        return config.ToJsonString();
    }

    private (NumericsId Id, UploadRecorder Recorder) Load(string config)
    {
        File.WriteAllText(_folder.File("config.json"), config);
        var recorder = new UploadRecorder();
        using var loaded = ModelLoader.Load(_folder.Path, recorder, new ModelLoadOptions { LoadFormat = LoadFormat.Dummy });
        return (loaded.NumericsId, recorder);
    }
}
