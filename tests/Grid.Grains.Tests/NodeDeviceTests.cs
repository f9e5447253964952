using Grid.Cuda;
using Grid.Models;
using Grid.Options;
using Grid.Silo.Devices;
using Grid.Silo.Options;

namespace Grid.Grains.Tests;

public sealed class NodeDeviceTests
{
    private const string NoDriver = "the NVIDIA driver's library libcuda.so.1 could not be loaded; install the NVIDIA driver (R570 or newer).";
    private const string NoHopper = "GPU 1 (NVIDIA A100) has compute capability 8.0, and Grid's kernels need 9.0 (H100, H200, GH200).";

    private static readonly GpuFound[] s_two = [new(0, "NVIDIA H100", null), new(1, "NVIDIA A100", NoHopper)];

    [Theory]
    [InlineData("cpu", "cpu")]
    [InlineData("cpu,cpu,cpu", "cpu:0 cpu:1 cpu:2")]
    [InlineData("cuda", "cuda:0")]
    [InlineData("cuda:0", "cuda:0")]
    [InlineData("cpu,cuda:0", "cpu cuda:0")]
    [InlineData("auto", "cuda:0")]
    public void Devices_are_those_asked_for_and_auto_is_every_usable_gpu(string asked, string names)
    {
        var (devices, output) = Find(asked, () => s_two);
        Assert.Equal(names, string.Join(' ', devices.Select(device => device.Name)));
        bool isEvery = asked is "cuda" or "auto";
        Assert.Equal(isEvery ? $"Device  cuda:1 is left out: {NoHopper}" : "", output);
    }

    [Fact]
    public void Auto_is_the_cpu_where_no_gpu_can_be_used_and_says_why()
    {
        var (devices, output) = Find("auto", () => throw new CudaUnavailableException(NoDriver));
        Assert.Equal("cpu", Assert.Single(devices).Name);
        Assert.Equal($"Device  auto is the CPU here: {NoDriver}", output);

        (devices, output) = Find("auto", () => [s_two[1]]);
        Assert.Equal("cpu", Assert.Single(devices).Name);
        Assert.Equal($"Device  cuda:1 is left out: {NoHopper}\nDevice  auto is the CPU here: none of this machine's GPUs can be used.", output);
    }

    [Fact]
    public void A_gpu_that_was_asked_for_and_cannot_be_used_ends_the_start()
    {
        Assert.Equal($"--device is cuda, and CUDA cannot be used: {NoDriver} --device cpu computes on the CPU.",
            Refused("cuda", () => throw new CudaUnavailableException(NoDriver)));
        Assert.Equal($"--device is cuda:1, and CUDA cannot be used: {NoHopper} --device cpu computes on the CPU.", Refused("cuda:1", () => s_two));
        Assert.Equal($"--device is cuda, and CUDA cannot be used: {NoHopper} --device cpu computes on the CPU.", Refused("cuda", () => [s_two[1]]));
        Assert.Equal("--device is cpu,cuda:2, and CUDA cannot be used: there is no GPU 2; this process sees 2, numbered from 0. --device cpu computes on the CPU.",
            Refused("cpu,cuda:2", () => s_two));
    }

    [Fact]
    public void More_threads_than_cores_are_refused()
    {
        int cores = Environment.ProcessorCount;
        var options = new NodeOptions { Device = DeviceSelection.Parse("cpu"), CpuThreads = cores + 1 };
        var refused = Assert.Throws<StartException>(() => new DeviceFinder(options, () => [], TextWriter.Null).Find());
        Assert.Equal((StartException.Usage, $"--cpu-threads is {cores + 1}; this process may use {cores} cores, and no more threads than that are of use."), (refused.ExitCode, refused.Message));
    }

    [Theory]
    [InlineData("auto", "--kernel-cache is given, but it is about GPUs, and this node computes on its CPU; leave it out.", null, "/tmp/x", 0)]
    [InlineData("cuda:0", "--cpu-threads is given, but it is about the CPU, and this node computes on its GPUs; leave it out.", null, null, 2)]
    [InlineData("cpu,cuda:0", null, 0.5, "/tmp/x", 1)]
    public void An_option_about_devices_that_the_node_has_not_is_refused(string asked, string? message, double? fraction, string? cache, int threads)
    {
        var options = new NodeOptions { Device = DeviceSelection.Parse(asked), MemFractionStatic = fraction, KernelCache = cache, CpuThreads = threads };
        var finder = new DeviceFinder(options, () => asked == "auto" ? [] : s_two, TextWriter.Null);
        var refused = Record.Exception(finder.Find) as StartException;
        Assert.Equal(message, refused?.Message);
        Assert.Equal(message is null ? null : StartException.Usage, refused?.ExitCode);
    }

    [Fact]
    public void Only_one_option_says_how_large_the_kv_cache_is()
    {
        var options = new NodeOptions { Device = DeviceSelection.Parse("cuda:0"), MemFractionStatic = 0.5, KvCacheMemory = 1 << 30 };
        var refused = Assert.Throws<StartException>(new DeviceFinder(options, () => s_two, TextWriter.Null).Find);
        Assert.Equal("--mem-fraction-static and --kv-cache-memory are both given, and each says how large the KV cache is; leave one out.", refused.Message);
    }

    [Fact]
    public void Several_cpu_workers_share_the_cores()
    {
        Assert.Equal([3, 2, 2], Enumerable.Range(0, 3).Select(i => CpuNodeDevice.Part(7, i, 3)));
        Assert.Equal([1, 1], Enumerable.Range(0, 2).Select(i => CpuNodeDevice.Part(1, i, 2)));
    }

    [Fact]
    public void Limits_are_the_devices_own_unless_the_options_say()
    {
        var options = new NodeOptions { ChunkedPrefillSize = 512 };
        Assert.Equal(new DeviceDefaults(2048, 512, 512), new CudaNodeDevice(0, options).Limits);
        Assert.Equal(new DeviceDefaults(256, 512, 128), new CpuNodeDevice("cpu", options, 0, 1).Limits);
    }

    [Fact]
    public void The_kv_cache_of_a_CPU_is_what_a_fraction_of_its_memory_leaves_after_the_weights()
    {
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var model = Model() with { WeightBytes = memory / 4 };
        long besides = (memory / 4) + model.WorkingBytes + model.LogitBytes(128);
        Assert.Equal((long)(0.5 * memory) - besides, Cpu(0.5).KvCacheBytes(model));
        Assert.Equal(Math.Min(memory / 4, 1L << 30), Cpu(null).KvCacheBytes(model));
        var refused = Assert.Throws<StartException>(() => Cpu(0.2).KvCacheBytes(model));
        Assert.StartsWith("--mem-fraction-static is 0.2; of this machine's memory (", refused.Message, StringComparison.Ordinal);

        static CpuNodeDevice Cpu(double? fraction) => new("cpu", new NodeOptions { MemFractionStatic = fraction }, 0, 1);
    }

    [Fact]
    public void The_kv_cache_of_a_gpu_is_what_the_fraction_leaves_after_the_weights()
    {
        var model = Model();
        long logits = model.LogitBytes(512);
        Assert.Equal(Gb(80 - 20 - 8) - logits, CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(60), 0.9, null, 512), model));
        Assert.Equal(Gb(5), CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(60), 0.9, Gb(5), 512), model));

        var error = Assert.Throws<StartException>(() => CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(8), 0.9, null, 512), model));
        Assert.StartsWith("There is no room for a KV cache on cuda:0: a page needs 9 MiB, and with the weights loaded --mem-fraction-static 0.9 allows 0 KiB", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<StartException>(() => CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(8), 0.9, Gb(8), 512), model));
        Assert.StartsWith("--kv-cache-memory is 7.5 GiB; it must hold at least one page (9 MiB) and fit in what is free for it on cuda:0 (6.8 GiB)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_before_it_is_loaded_with_what_it_needs_and_what_there_is()
    {
        var model = Model();
        CudaMemoryPlan.RequireRoom("cuda:0", new(Gb(80), Gb(80), 0.9, null, 512), model);
        var error = Assert.Throws<StartException>(() => CudaMemoryPlan.RequireRoom("cuda:0", new(Gb(18), Gb(18), 0.9, null, 512), model));
        Assert.Equal(
            "The model does not fit on cuda:0: it needs 15.7 GiB (weights 15.3 GiB, working memory 416.8 MiB, a KV page 9 MiB), and --mem-fraction-static 0.9 allows 15.1 GiB of the 16.8 GiB that are free.",
            error.Message);
        error = Assert.Throws<StartException>(() => CudaMemoryPlan.RequireRoom("cuda:0", new(Gb(80), Gb(80), 0.9, Gb(70), 512), model));
        Assert.Contains("--kv-cache-memory 65.2 GiB), and 74.2 GiB of the 74.5 GiB that are free are for these.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_steps_take_of_a_gpu_stays_free_however_its_kv_cache_is_sized()
    {
        var model = Model();
        long steps = CudaModelNeeds.StepBytes(model.Config), logits = model.LogitBytes(512);
        Assert.InRange(steps, 300 << 20, 400 << 20);
        Assert.Equal(Gb(60) - logits - steps, CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(60), 1.0, null, 512), model));
        long most = Gb(60) - logits - steps;
        Assert.Equal(most, CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(60), 0.9, most, 512), model));
        Assert.Throws<StartException>(() => CudaMemoryPlan.KvCacheBytes("cuda:0", new(Gb(80), Gb(60), 0.9, most + 1, 512), model));
    }

    [Fact]
    public void A_mixture_of_experts_is_measured_with_the_room_that_a_gpu_gives_its_outputs()
    {
        var config = ModelFolder.Open(ShippedConfigs.Find("Qwen/Qwen3-30B-A3B")!).ReadConfig();
        long all = ModelMemory.Measure(config, 8192).WorkingBytes;
        long limited = ModelMemory.Measure(config, 8192, CudaModelNeeds.ExpertOutputBytesLimit).WorkingBytes;
        Assert.Equal((8192L * 8 * 2048 * 4) - (64 << 20), all - limited);
    }

    [Fact]
    public void A_model_that_the_kernels_cannot_run_is_refused_by_field_value_and_rule()
    {
        var config = Model().Config;
        var experts = ModelFolder.Open(ShippedConfigs.Find("Qwen/Qwen3-30B-A3B")!).ReadConfig();
        Assert.Null(CudaModelNeeds.Unsupported(config));
        Assert.Null(CudaModelNeeds.Unsupported(experts));
        Assert.Equal("head_dim is 80; on a GPU it must be 64 or 128.", CudaModelNeeds.Unsupported(config with { HeadDim = 80 }));
        Assert.Equal("vocab_size is 300000; on a GPU it must be at most 262144.", CudaModelNeeds.Unsupported(config with { VocabularySize = 300_000 }));
        Assert.Equal("hidden_size is 4100; on a GPU it must be a multiple of 8.", CudaModelNeeds.Unsupported(config with { HiddenSize = 4100 }));
        Assert.Equal("intermediate_size is 9; on a GPU it must be a multiple of 8.", CudaModelNeeds.Unsupported(config with { IntermediateSize = 9 }));
        Assert.Equal(
            "moe_intermediate_size is 100; on a GPU it must be a multiple of 8.",
            CudaModelNeeds.Unsupported(experts with { Experts = experts.Experts! with { IntermediateSize = 100 } }));
        Assert.Equal("num_experts is 600; on a GPU it must be at most 512.", CudaModelNeeds.Unsupported(experts with { Experts = experts.Experts! with { Count = 600 } }));
        Assert.Equal(
            "num_experts_per_tok is 33; on a GPU it must be at most 32.", CudaModelNeeds.Unsupported(experts with { Experts = experts.Experts! with { PerToken = 33 } }));
    }

    private static ModelMemory Model() =>
        ModelMemory.Measure(ModelFolder.Open(ShippedConfigs.Find("Qwen/Qwen3-8B")!).ReadConfig(), DeviceDefaults.Cuda.MaxBatchTokens);

    private static long Gb(long count) => count * 1_000_000_000;

    private static string Refused(string asked, Func<IReadOnlyList<GpuFound>> gpus)
    {
        var error = Assert.Throws<StartException>(() => Find(asked, gpus));
        Assert.Equal(StartException.Failed, error.ExitCode);
        return error.Message;
    }

    private static (IReadOnlyList<NodeDevice> Devices, string Output) Find(string asked, Func<IReadOnlyList<GpuFound>> gpus)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var devices = new DeviceFinder(new NodeOptions { Device = DeviceSelection.Parse(asked) }, gpus, output).Find();
        return (devices, output.ToString().TrimEnd());
    }
}
