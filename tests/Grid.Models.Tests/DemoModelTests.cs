using Grid.Cpu;
using Grid.Models.Tests.Support;

namespace Grid.Models.Tests;

public class DemoModelTests
{
    [Fact]
    public void The_demo_model_lies_beside_the_program_and_nothing_else_does()
    {
        var names = Directory.EnumerateFileSystemEntries(DemoModel.Path).Select(Path.GetFileName).ToHashSet();
        Assert.Superset(new HashSet<string?> { "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" }, names);
        Assert.All(names, name => Assert.Contains(Path.GetExtension(name), new[] { ".json", ".jinja", ".safetensors" }));
        Assert.Contains("tokenizer.json", ModelFolder.Open(DemoModel.Path).ReadTextFiles().Keys);
        Assert.InRange(new FileInfo(Path.Combine(DemoModel.Path, "model.safetensors")).Length, 1, 16 << 20);
    }

    [Fact]
    public void The_demo_model_loads_with_one_id_and_finite_logits()
    {
        using var operations = new CpuOperations(new CpuOptions());
        using var first = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions { MaxBatchTokens = 16 });
        using var second = ModelLoader.Load(DemoModel.Path, operations, new ModelLoadOptions());

        Assert.Equal(first.NumericsId, second.NumericsId);
        Assert.NotEmpty(first.Model.Config.EndTokenIds);
        var runner = new SequenceRunner((Architectures.Decoder.DecoderModel)first.Model, operations, 16);
        Assert.All(runner.Feed(1, 2, 3), logit => Assert.True(float.IsFinite(logit)));
    }
}
