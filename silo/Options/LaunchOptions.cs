using Grid.Options;

namespace Grid.Silo.Options;

/// <summary>
/// Options of SGLang's and vLLM's launchers that have one answer in Grid, so that their launch lines work unchanged. What would ask for
/// something else is refused with what to do instead; what they come to is said at start.
/// </summary>
public sealed class LaunchOptions
{
    [FixedOption("GPUs that share a model", "a model runs on one GPU; a node with several serves a whole model on each (--device)", "1", Aliases = ["--tp", "--tensor-parallel-size"])]
    public string TpSize { get; set; } = "1";

    [FixedOption("Stages that a model is cut into", "a model runs on one GPU; a node with several serves a whole model on each (--device)", "1", Aliases = ["--pp", "--pipeline-parallel-size"])]
    public string PpSize { get; set; } = "1";

    [FixedOption("Copies of the model", "--device says the copies: cuda is one on every GPU, cuda:0,cuda:1 one on each of two", "1", Aliases = ["--dp", "--data-parallel-size"])]
    public string DpSize { get; set; } = "1";

    [FixedOption("Type of weights and activations", "Grid computes in bfloat16 with sums in fp32, and in nothing else, so that all devices give the same bits; auto or bfloat16", "auto", "bfloat16")]
    public string Dtype { get; set; } = "auto";

    [FixedOption("Attention of another server", "Grid has one attention, that of its numeric contract; flashinfer, fa3 and triton all mean it", "flashinfer", "fa3", "triton", Default = "Grid's own")]
    public string? AttentionBackend { get; set; }

    [FixedOption("Run code that comes with a model", "Grid never runs code of a model", "true", "false", Default = "there is none to trust")]
    public string? TrustRemoteCode { get; set; }

    [FixedOption("Serve /metrics", "/metrics is always there", "true", Default = "always")]
    public string? EnableMetrics { get; set; }

    /// <summary>A sentence for each option given that does not mean here what its name says.</summary>
    public IEnumerable<string> Remarks()
    {
        if (AttentionBackend is { } backend)
        {
            yield return $"--attention-backend {backend}: one contract, one attention; flashinfer, fa3 and triton give the same bits here";
        }

        if (TrustRemoteCode is "true")
        {
            yield return "--trust-remote-code: nothing to trust, for Grid runs no code of a model";
        }
    }
}
