using Grid.Models.Operations;

namespace Grid.Models.Architectures.Decoder;

/// <summary>The dense feed-forward: down_proj(silu(gate_proj(h)) * up_proj(h)).</summary>
/// <param name="operations">The device.</param>
/// <param name="gateUp">gate_proj and up_proj, [intermediate, hidden] each.</param>
/// <param name="down">[hidden, intermediate]</param>
/// <param name="gated">Working memory, [rows, intermediate].</param>
internal sealed class GatedMlp(IOperations operations, WeightMatrix gateUp, WeightMatrix down, Activation gated) : IFeedForward
{
    /// <inheritdoc/>
    public void AddTo(Activation residual, Activation normalized)
    {
        operations.Project(normalized, RowList.All, gateUp, Epilogue.GatedSilu(gated));
        operations.Project(gated, RowList.All, down, Epilogue.AddTo(residual));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        gateUp.Dispose();
        down.Dispose();
    }
}

/// <summary>Loads dense feed-forwards of one size.</summary>
internal sealed class GatedMlpLoader(ModelConfig config, IOperations operations, int maxRows) : IFeedForwardLoader
{
    private readonly Activation _gated = operations.AllocateActivation(maxRows, config.IntermediateSize);

    /// <inheritdoc/>
    public IFeedForward Load(WeightLoader loader, int layer, string name) => new GatedMlp(
        operations,
        loader.GatedMatrix($"{name}.gate_proj.weight", $"{name}.up_proj.weight", config.IntermediateSize, config.HiddenSize),
        loader.Matrix($"{name}.down_proj.weight", config.HiddenSize, config.IntermediateSize),
        _gated);
}
