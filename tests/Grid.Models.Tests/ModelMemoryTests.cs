namespace Grid.Models.Tests;

public sealed class ModelMemoryTests
{
    /// <summary>Parameters as the models' authors publish them.</summary>
    [Theory]
    [InlineData("Qwen/Qwen3-8B", 8_190_735_360, 36 * 8 * 128)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248, 32 * 8 * 128)]
    [InlineData("Qwen/Qwen3-30B-A3B", 30_532_122_624, 48 * 4 * 128)]
    public void Weights_take_two_bytes_a_published_parameter_and_the_rotary_table(string name, long parameters, int keyValues)
    {
        var config = ModelFolder.Open(ShippedConfigs.Find(name)!).ReadConfig();
        var memory = ModelMemory.Measure(config, maxBatchTokens: 8);

        Assert.Equal((parameters * 2) + ((long)config.MaxPositions * config.HeadDim * sizeof(float)), memory.WeightBytes);
        Assert.Equal(64L * 2 * 2 * keyValues, memory.KvPageBytes);
        Assert.Equal(8L * config.VocabularySize * 4, memory.LogitBytes(8));
        Assert.Equal(2 * memory.WorkingBytes, ModelMemory.Measure(config, maxBatchTokens: 16).WorkingBytes);
    }
}
