using System.Globalization;
using Grid.Cuda.Kernels.Attention;
using Grid.Cuda.Kernels.Experts;
using Grid.Cuda.Kernels.Sampling;
using Grid.Cuda.Operations;
using Grid.Models;

namespace Grid.Cuda;

/// <summary>What a model needs of <see cref="CudaOperations"/>, told from its configuration, before anything is loaded.</summary>
public static class CudaModelNeeds
{
    /// <summary>Graphs of recorded passes, the step's inputs, the sampler's lists, pages to clear: a few MiB each at most.</summary>
    private const long GraphsAndLists = 256 << 20;

    /// <summary>The most bytes that the routing of a mixture of experts holds of their outputs at a time, but for very large steps.</summary>
    public static long ExpertOutputBytesLimit => ExpertRoutingMemory.OutputBytesLimit;

    /// <summary>Why the kernels cannot run a model: a sentence with field, value and rule; null when they can.</summary>
    public static string? Unsupported(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (!KernelLibrary.HeadDims.Contains(config.HeadDim))
        {
            return Sentence("head_dim", config.HeadDim, $"{string.Join(" or ", KernelLibrary.HeadDims)}");
        }

        if (config.VocabularySize > DeviceSampler.MaxVocabulary)
        {
            return Sentence("vocab_size", config.VocabularySize, $"at most {DeviceSampler.MaxVocabulary}");
        }

        string multiple = $"a multiple of {ExpertKernels.WidthMultiple}";
        if (config.HiddenSize % ExpertKernels.WidthMultiple != 0)
        {
            return Sentence("hidden_size", config.HiddenSize, multiple);
        }

        if (config.Experts is not { } experts)
        {
            return config.IntermediateSize % ExpertKernels.WidthMultiple != 0 ? Sentence("intermediate_size", config.IntermediateSize, multiple) : null;
        }

        return experts.IntermediateSize % ExpertKernels.WidthMultiple != 0 ? Sentence("moe_intermediate_size", experts.IntermediateSize, multiple)
            : experts.Count > ExpertKernels.MaxExperts ? Sentence("num_experts", experts.Count, $"at most {ExpertKernels.MaxExperts}")
            : experts.PerToken > ExpertKernels.MaxSlots ? Sentence("num_experts_per_tok", experts.PerToken, $"at most {ExpertKernels.MaxSlots}")
            : null;
    }

    /// <summary>Bytes of device memory that steps take beside weights, working memory, logits and KV cache, from the first one on.</summary>
    public static long StepBytes(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        int slots = new CudaOptions().PartialSlots;
        var (values, state) = AttentionKernel.PartialBytes(slots, config.QueryHeads, config.KvHeads, config.HeadDim);
        return values + state + AttentionKernel.ArrivalBytes(slots, config.KvHeads) + GraphsAndLists;
    }

    private static string Sentence(string field, int value, string rule) =>
        string.Create(CultureInfo.InvariantCulture, $"{field} is {value}; on a GPU it must be {rule}.");
}
