using Grid.Clustering.Options;
using Grid.Models;
using Grid.Sequences;

namespace Grid.Silo.Options;

/// <summary>What a node serves and how (configuration section "Grid"; <see cref="OptionTable"/> has the spellings).</summary>
public sealed class NodeOptions
{
    /// <summary>A model folder in Hugging Face form, or a model of the hub: org/name or org/name@revision (with
    /// <see cref="LoadFormat.Dummy"/> also the name of a configuration that ships with Grid); null serves the demo
    /// model.</summary>
    public string? ModelPath { get; set; }

    /// <summary>Branch, tag or commit of a model of the hub; null is the one in <see cref="ModelPath"/>, or main.</summary>
    public string? Revision { get; set; }

    /// <summary>Where the weights come from.</summary>
    public LoadFormat LoadFormat { get; set; }

    /// <summary>Whether to serve by token ids alone, without a tokenizer.</summary>
    public bool SkipTokenizerInit { get; set; }

    /// <summary>Whether requests that leave sampling parameters out get those of the model's generation_config.json;
    /// otherwise the OpenAI API's.</summary>
    public bool UseModelSampling { get; set; } = true;

    /// <summary>The name clients use; null takes the folder's or the hub's.</summary>
    public string? ServedModelName { get; set; }

    /// <summary>Address that HTTP listens on.</summary>
    public string Host { get; set; } = "127.0.0.1";

    /// <summary>Port that HTTP listens on; 0 takes a free one.</summary>
    public int Port { get; set; } = 8000;

    /// <summary>The devices that compute, one worker each.</summary>
    public DeviceSelection Device { get; set; } = DeviceSelection.Auto;

    /// <summary>Rows (tokens) in one forward pass at most; null is the device's <see cref="DeviceDefaults"/>.</summary>
    public int? MaxBatchTokens { get; set; }

    /// <summary>Prompt rows of one sequence in one step at most; null is the device's <see cref="DeviceDefaults"/>.</summary>
    public int? ChunkedPrefillSize { get; set; }

    /// <summary>Sequences running at once at most, on each device; null is the device's <see cref="DeviceDefaults"/>.</summary>
    public int? MaxRunningRequests { get; set; }

    /// <summary>Sequences waiting for admission at most.</summary>
    public int MaxQueuedRequests { get; set; } = 1024;

    /// <summary>Bytes for KV pages, on each device; null takes what <see cref="MemFractionStatic"/> leaves on a GPU, and
    /// on a CPU a quarter of the memory there is, at most 1 GiB.</summary>
    public long? KvCacheMemory { get; set; }

    /// <summary>Share of a GPU's memory, of what is free at start, for weights, working memory and KV cache together; null is
    /// <see cref="DeviceDefaults.MemFractionStatic"/>.</summary>
    public double? MemFractionStatic { get; set; }

    /// <summary>Where compiled kernels are kept between starts; null is the user's cache folder.</summary>
    public string? KernelCache { get; set; }

    /// <summary>Cores that CPU devices use, all of them together; 0 takes all.</summary>
    public int CpuThreads { get; set; }

    /// <summary>The node's place in its cluster.</summary>
    public ClusterNodeOptions Cluster { get; } = new();

    /// <summary>Longest step of the device; one that lasts longer is taken for a device that hangs.</summary>
    public TimeSpan WatchdogTimeout { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>How the sequences run that come to this node's HTTP.</summary>
    public SequencesOptions Sequences { get; } = new();

    /// <summary>How long running sequences may go on when the node is asked to stop.</summary>
    public TimeSpan DrainGrace { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Least severe log messages to print.</summary>
    public LogLevel LogLevel { get; set; } = LogLevel.Warning;

    /// <summary>Whether log lines are JSON objects.</summary>
    public bool JsonLogs { get; set; }
}
