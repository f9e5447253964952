using Grid.Gateway.Node;
using Grid.Models;
using Grid.Options;

namespace Grid.Silo.Options;

/// <summary>What a node serves and how. Names follow the field's launchers where they have one.</summary>
public sealed class NodeOptions : GatewayNodeOptions
{
    /// <summary>A gateway beside it has the next port, and says more.</summary>
    public NodeOptions() => (Port, LogLevel) = (8000, LogLevel.Warning);

    /// <summary>With <see cref="LoadFormat.Dummy"/> also the name of a configuration that ships with Grid.</summary>
    [TextOption("Model folder in Hugging Face form, or a model of the hub as org/name or org/name@revision", "folder|org/name", Default = "the demo model", Aliases = ["--model"])]
    public string? ModelPath { get; set; }

    [TextOption("Branch, tag or commit of a model of the hub", "name", Default = "main")]
    public string? Revision { get; set; }

    [TextOption("Name that clients use", "name", Default = "the folder's or the hub's name")]
    public string? ServedModelName { get; set; }

    [DeviceOption("Devices that compute, a worker each; auto: every usable GPU, or the CPU where there is none", Default = "auto")]
    public DeviceSelection Device { get; set; } = DeviceSelection.Auto;

    /// <summary>Of all CPU devices together; 0 takes all.</summary>
    [NumberOption("Cores that CPU devices use, together", 1, 1024, Default = "all")]
    public int CpuThreads { get; set; }

    [ChoiceOption("Form of the weights; dummy makes them from config.json alone, for benchmarks", "auto=Safetensors", "safetensors", "dummy")]
    public LoadFormat LoadFormat { get; set; }

    [NumberOption("Which dummy weights, with --load-format dummy", 0, int.MaxValue)]
    public int DummySeed { get; set; }

    [SwitchOption("Serve by token ids alone (input_ids on /generate), without a tokenizer")]
    public bool SkipTokenizerInit { get; set; }

    [ChoiceOption("Where sampling parameters come from that a request leaves out; model: its generation_config.json; openai: temperature 1, top_p 1, top_k off", "model=true", "openai=false", Key = "SamplingDefaults")]
    public bool UseModelSampling { get; set; } = true;

    /// <summary>Bytes.</summary>
    [SizeOption("Memory for the KV cache of each device, e.g. 512MiB", Default = "on a GPU what --mem-fraction-static leaves, on a CPU a quarter of the machine's memory, at most 1GiB")]
    public long? KvCacheMemory { get; set; }

    /// <summary>Of what is free at start; null is <see cref="DeviceDefaults.MemFractionStatic"/>.</summary>
    [ShareOption("Share of a GPU's free memory for weights, working memory and KV cache together; of a CPU's memory, for weights and KV cache", 0.05, 0.99, Default = "0.9 for a GPU", Aliases = ["--gpu-memory-utilization"])]
    public double? MemFractionStatic { get; set; }

    [TextOption("Where compiled GPU kernels are kept between starts, but for those that were packed with the program", "folder", Default = "$XDG_CACHE_HOME/grid/cubins, or ~/.cache/grid/cubins")]
    public string? KernelCache { get; set; }

    /// <summary>For images: what lies in the folder "kernels" beside the program needs no compiler.</summary>
    [TextOption("Compile the GPU kernels into this folder and end; needs no GPU. As kernels beside the program, its GPUs take them from there", "folder")]
    public string? BuildKernels { get; set; }

    /// <summary>Null is the device's <see cref="DeviceDefaults"/>, here and in the next two.</summary>
    [NumberOption("Tokens in one forward pass at most", 1, 65536, Default = "2048 on a GPU, 256 on a CPU", Aliases = ["--max-num-batched-tokens"])]
    public int? MaxBatchTokens { get; set; }

    [NumberOrNoneOption("Prompt tokens of one sequence in one step at most; -1: as many as a forward pass takes", 1, 65536, Default = "2048 on a GPU, 128 on a CPU")]
    public int? ChunkedPrefillSize { get; set; }

    [NumberOption("Sequences running at once at most, on each device", 1, 65536, Default = "512 on a GPU, 128 on a CPU", Aliases = ["--max-num-seqs"])]
    public int? MaxRunningRequests { get; set; }

    [NumberOption("Sequences waiting on each device besides those that there is room for; more wait at their gateway", 1, 1_000_000)]
    public int MaxQueuedRequests { get; set; } = 4;

    [NumberOption("Tokens of prompt and output together at most; no more than the model's own", 1, 1 << 30, Default = "the model's, as far as the KV cache holds it", Aliases = ["--max-model-len"])]
    public int? ContextLength { get; set; }

    [SwitchOption("Compute every prompt from its beginning, without a prefix cache", Aliases = ["--no-enable-prefix-caching"])]
    public bool DisableRadixCache { get; set; }

    [SwitchOption("Serve at once, with devices that are not warm yet")]
    public bool SkipServerWarmup { get; set; }

    [DeterministicOption("Always on in Grid; accepted so that launch scripts work unchanged")]
    public bool EnableDeterministicInference { get; set; } = true;

    [DurationOption("Longest step of the device; after it the worker counts as hung until the step ends, and its sequences go on elsewhere; a GPU's steps need far less", 1, 86_400)]
    public TimeSpan WatchdogTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>Null: none. 0 takes a free one.</summary>
    [NumberOption("Port for grid clients, at the address of --listen-address; 0 takes a free one", 0, 65535, Default = "none")]
    public int? GatewayPort { get; set; }

    /// <summary>What other launchers have, and Grid has no choice of.</summary>
    [Options]
    public LaunchOptions Launch { get; } = new();

    private sealed class DeviceOptionAttribute(string what) : OptionAttribute(what, "auto|cpu|cuda|cuda:N,...")
    {
        public override IReadOnlyList<string> Values { get; } = ["auto", "cpu", "cuda"];

        public override object Read(string value, Type type) => DeviceSelection.Parse(value);
    }

    private sealed class DeterministicOptionAttribute(string what) : ChoiceOptionAttribute(what, "true")
    {
        public override bool IsSwitch => true;

        public override object Read(string value, Type type) => value.Equals("false", StringComparison.OrdinalIgnoreCase)
            ? throw new OptionValueException("Grid has no other arithmetic, so that equal requests always give equal bits; it cannot be switched off", isSentence: true)
            : base.Read(value, type);
    }
}
