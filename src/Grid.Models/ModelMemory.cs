using Grid.Models.Architectures;
using Grid.Models.Operations;
using Grid.Models.WeightSources;

namespace Grid.Models;

/// <summary>What a model takes of a device's memory, found without one: the loading code runs over operations that only
/// add sizes up. Devices pad a little on top, and keep scratch memory of their own.</summary>
/// <param name="WeightBytes">Weights in bf16, and the rotary table.</param>
/// <param name="WorkingBytes">Activations, and the routing of a mixture of experts, for the rows of one pass.</param>
/// <param name="KvPageBytes">One KV page.</param>
/// <param name="Config">The model.</param>
public sealed record ModelMemory(long WeightBytes, long WorkingBytes, long KvPageBytes, ModelConfig Config)
{
    /// <summary>Adds up a model's memory.</summary>
    /// <param name="config">The model.</param>
    /// <param name="maxBatchTokens">Rows of one pass at most.</param>
    /// <param name="expertOutputBytesLimit">The most that the device holds of the experts' outputs at a time.</param>
    public static ModelMemory Measure(ModelConfig config, int maxBatchTokens, long expertOutputBytesLimit = long.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBatchTokens, 1);
        using var operations = new MeasuringOperations(expertOutputBytesLimit);
        using var source = new DummyWeightSource();
        using var weights = new WeightLoader(source, operations, progress: null);
        using var model = SupportedArchitectures.Load(config, weights, operations, maxBatchTokens);
        weights.HandOver();
        return new ModelMemory(operations.WeightBytes, operations.WorkingBytes, model.KvPageBytes, config);
    }

    /// <summary>Bytes of fp32 logits of so many rows.</summary>
    public long LogitBytes(int rows) => (long)rows * Config.VocabularySize * sizeof(float);
}
