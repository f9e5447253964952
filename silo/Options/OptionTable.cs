using System.Globalization;
using System.Net;
using Grid.Clustering.Options;
using Grid.Models;
using Grid.Sequences;

namespace Grid.Silo.Options;

/// <summary>All options of a node. Names follow the field's launchers where they have one.</summary>
public static class OptionTable
{
    /// <summary>The options, in the order of the help text.</summary>
    public static IReadOnlyList<NodeOption> All { get; } =
    [
        new("--model-path", "ModelPath", "folder|org/name", "Model folder in Hugging Face form, or a model of the hub as org/name or org/name@revision (default: the demo model)",
            (options, value) => options.ModelPath = Text(value)),
        new("--revision", "Revision", "name", "Branch, tag or commit of a model of the hub (default: main)",
            (options, value) => options.Revision = Text(value)),
        new("--served-model-name", "ServedModelName", "name", "Name that clients use (default: the folder's or the hub's name)",
            (options, value) => options.ServedModelName = Text(value)),
        new("--host", "Host", "address", "Address that HTTP listens on (default 127.0.0.1; 0.0.0.0 is every interface)",
            (options, value) => options.Host = Address(value)),
        new("--port", "Port", "number", "Port that HTTP listens on (default 8000; 0 takes a free one)",
            (options, value) => options.Port = Whole(value, 0, 65535)),
        new("--device", "Device", "auto|cpu|cuda|cuda:N,...", "Devices that compute, a worker each (default auto: every usable GPU, or the CPU where there is none)",
            (options, value) => options.Device = DeviceSelection.Parse(value)),
        new("--cpu-threads", "CpuThreads", "number", "Cores that CPU devices use, together (default: all)",
            (options, value) => options.CpuThreads = Whole(value, 1, 1024)),
        new("--load-format", "LoadFormat", "auto|safetensors|dummy", "Form of the weights (default auto); dummy makes them from config.json alone, for benchmarks",
            (options, value) => options.LoadFormat = Format(value)),
        new("--skip-tokenizer-init", "SkipTokenizerInit", "true|false", "Serve by token ids alone (input_ids on /generate), without a tokenizer",
            (options, value) => options.SkipTokenizerInit = Flag(value), IsSwitch: true),
        new("--sampling-defaults", "SamplingDefaults", "model|openai", "Where sampling parameters come from that a request leaves out (default model: its generation_config.json; openai: temperature 1, top_p 1, top_k off)",
            (options, value) => options.UseModelSampling = IsModel(value)),
        new("--kv-cache-memory", "KvCacheMemory", "size", "Memory for the KV cache of each device, e.g. 512MiB (default: on a GPU what --mem-fraction-static leaves, on a CPU a quarter of the machine's memory, at most 1GiB)",
            (options, value) => options.KvCacheMemory = ByteSize.Parse(value)),
        new("--mem-fraction-static", "MemFractionStatic", "share", $"Share of a GPU's free memory for weights, working memory and KV cache together (default {Number(DeviceDefaults.MemFractionStatic)})",
            (options, value) => options.MemFractionStatic = Share(value)),
        new("--kernel-cache", "KernelCache", "folder", "Where compiled GPU kernels are kept between starts (default $XDG_CACHE_HOME/grid/cubins, or ~/.cache/grid/cubins)",
            (options, value) => options.KernelCache = Text(value)),
        new("--max-batch-tokens", "MaxBatchTokens", "number", $"Tokens in one forward pass at most ({Defaults(device => device.MaxBatchTokens)})",
            (options, value) => options.MaxBatchTokens = Whole(value, 1, 65536)),
        new("--chunked-prefill-size", "ChunkedPrefillSize", "number", $"Prompt tokens of one sequence in one step at most ({Defaults(device => device.ChunkedPrefillSize)})",
            (options, value) => options.ChunkedPrefillSize = Whole(value, 1, 65536)),
        new("--max-running-requests", "MaxRunningRequests", "number", $"Sequences running at once at most, on each device ({Defaults(device => device.MaxRunningRequests)})",
            (options, value) => options.MaxRunningRequests = Whole(value, 1, 65536)),
        new("--max-queued-requests", "MaxQueuedRequests", "number", "Sequences waiting at most; more are refused (default 1024)",
            (options, value) => options.MaxQueuedRequests = Whole(value, 1, 1_000_000)),
        new("--enable-deterministic-inference", "EnableDeterministicInference", "true", "Always on in Grid; accepted so that launch scripts work unchanged",
            (_, value) => CheckDeterministic(value), IsSwitch: true),
        new("--drain-seconds", "DrainSeconds", "seconds", "How long running sequences may go on at shutdown (default 20)",
            (options, value) => options.DrainGrace = TimeSpan.FromSeconds(Whole(value, 0, 3600))),
        new("--watchdog-timeout", "WatchdogTimeout", "seconds", "Longest step of the device; after it the worker counts as hung until the step ends, and its sequences go on elsewhere (default 300; a GPU's steps need far less)",
            (options, value) => options.WatchdogTimeout = TimeSpan.FromSeconds(Whole(value, 1, 86400))),
        .. SequencesOptionTable.All.Select(OfSequences),
        .. ClusterOptionTable.All.Append(ClusterOptionTable.ClientPort).Select(OfCluster),
        new("--log-level", "LogLevel", "debug|info|warning|error", "Least severe log messages to print (default warning)",
            (options, value) => options.LogLevel = Level(value)),
        new("--log-format", "LogFormat", "text|json", "Form of log lines (default text)",
            (options, value) => options.JsonLogs = IsJson(value)),
    ];

    private static NodeOption OfSequences(SequencesOption option) => new(
        option.Name, option.Key, option.ValueName, option.Help,
        (options, value) =>
        {
            try
            {
                option.Set(options.Sequences, value);
            }
            catch (SequencesOptionException rule)
            {
                throw new OptionValueException(rule.Message);
            }
        },
        option.IsSwitch);

    private static NodeOption OfCluster(ClusterOption option) => new(
        option.Name, option.Key, option.ValueName, option.Help,
        (options, value) =>
        {
            try
            {
                option.Set(options.Cluster, value);
            }
            catch (ClusterOptionException rule)
            {
                throw new OptionValueException(rule.Message);
            }
        },
        option.IsSwitch);

    private static string Text(string value) =>
        value.Length > 0 ? value : throw new OptionValueException("not be empty");

    private static string Address(string value)
    {
        if (value == "localhost" || IPAddress.TryParse(value, out _))
        {
            return value == "localhost" ? "127.0.0.1" : value;
        }

        throw new OptionValueException("be an IP address of this machine, or localhost");
    }

    private static int Whole(string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
            ? number
            : throw new OptionValueException($"be a whole number from {min} to {max}");

    private static double Share(string value) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share) && share is >= 0.05 and <= 0.99
            ? share
            : throw new OptionValueException("be a share from 0.05 to 0.99");

    private static string Defaults(Func<DeviceDefaults, int> option) => $"default {option(DeviceDefaults.Cuda)} on a GPU, {option(DeviceDefaults.Cpu)} on a CPU";

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);

    private static LoadFormat Format(string value) => value switch
    {
        "auto" or "safetensors" => LoadFormat.Safetensors,
        "dummy" => LoadFormat.Dummy,
        _ => throw new OptionValueException("be auto, safetensors or dummy"),
    };

    private static bool Flag(string value) => value switch
    {
        "true" => true,
        "false" => false,
        _ => throw new OptionValueException("be true or false"),
    };

    private static bool IsModel(string value) => value switch
    {
        "model" => true,
        "openai" => false,
        _ => throw new OptionValueException("be model or openai"),
    };

    private static void CheckDeterministic(string value)
    {
        if (value == "false")
        {
            throw new OptionValueException(
                "Grid has no other arithmetic, so that equal requests always give equal bits; it cannot be switched off",
                isSentence: true);
        }

        if (value != "true")
        {
            throw new OptionValueException("be true");
        }
    }

    private static LogLevel Level(string value) => value switch
    {
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => throw new OptionValueException("be debug, info, warning or error"),
    };

    private static bool IsJson(string value) => value switch
    {
        "text" => false,
        "json" => true,
        _ => throw new OptionValueException("be text or json"),
    };
}
