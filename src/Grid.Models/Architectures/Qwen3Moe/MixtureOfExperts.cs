using Grid.Models.Architectures.Decoder;
using Grid.Models.Operations;

namespace Grid.Models.Architectures.Qwen3Moe;

/// <summary>
/// The sparse feed-forward: every row goes to the experts its router logits prefer, each a SiLU-gated MLP, and their weighted
/// outputs are added. Shapes: D hidden size, E experts, I an expert's intermediate size.
/// </summary>
/// <param name="operations">The device.</param>
/// <param name="normalize">Whether the weights of a row's chosen experts sum to one.</param>
/// <param name="router">[E, D]</param>
/// <param name="gateUp">gate_proj and up_proj of every expert, [I, D] each.</param>
/// <param name="down">down_proj of every expert, [D, I].</param>
/// <param name="routing">Where the rows of a step go.</param>
/// <param name="gated">Working memory, [rows, experts per token * I].</param>
internal sealed class MixtureOfExperts(
    IOperations operations, bool normalize, WeightMatrix router, ExpertMatrix gateUp, ExpertMatrix down, ExpertRouting routing,
    Activation gated) : IFeedForward
{
    /// <inheritdoc/>
    public void AddTo(Activation residual, Activation normalized)
    {
        operations.Route(normalized, router, new RoutingSpec(normalize), routing);
        operations.ProjectExperts(normalized, routing, gateUp, Epilogue.GatedSilu(gated));
        operations.ProjectExperts(gated, routing, down, Epilogue.AddTo(residual));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        router.Dispose();
        gateUp.Dispose();
        down.Dispose();
    }
}

/// <summary>Loads a mixture of experts for the layers that have one, and a dense feed-forward for the others.</summary>
internal sealed class MixtureOfExpertsLoader : IFeedForwardLoader
{
    private readonly ModelConfig _config;
    private readonly ExpertConfig _experts;
    private readonly IOperations _operations;
    private readonly ExpertRouting _routing;
    private readonly Activation _gated;
    private readonly GatedMlpLoader? _dense;

    public MixtureOfExpertsLoader(ModelConfig config, ExpertConfig experts, IOperations operations, int maxRows)
    {
        (_config, _experts, _operations) = (config, experts, operations);
        _routing = operations.AllocateRouting(maxRows, experts.Count, experts.PerToken, config.HiddenSize);
        _gated = operations.AllocateActivation(maxRows, experts.PerToken * experts.IntermediateSize);
        _dense = experts.Layers.Count < config.Layers ? new GatedMlpLoader(config, operations, maxRows) : null;
    }

    /// <inheritdoc/>
    public IFeedForward Load(WeightLoader loader, int layer, string name)
    {
        if (!_experts.Layers.Contains(layer))
        {
            return _dense!.Load(loader, layer, name);
        }

        foreach (string stacked in (ReadOnlySpan<string>)["gate_up_proj", "down_proj"])
        {
            loader.Refuse($"{name}.experts.{stacked}", $"experts must be separate tensors ({name}.experts.0.gate_proj.weight, …), as the hub's checkpoints have them");
        }

        string[] Names(string part) => [.. Enumerable.Range(0, _experts.Count).Select(e => $"{name}.experts.{e}.{part}.weight")];
        return new MixtureOfExperts(
            _operations, _experts.NormalizeWeights,
            loader.Matrix($"{name}.gate.weight", _experts.Count, _config.HiddenSize),
            loader.GatedExperts(Names("gate_proj"), Names("up_proj"), _experts.IntermediateSize, _config.HiddenSize),
            loader.Experts(Names("down_proj"), _config.HiddenSize, _experts.IntermediateSize),
            _routing, _gated);
    }
}
