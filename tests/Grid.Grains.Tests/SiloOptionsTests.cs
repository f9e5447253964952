using System.Net;
using Grid.Options;
using Grid.Silo;
using Grid.Silo.Options;
using Microsoft.Extensions.Configuration;

namespace Grid.Grains.Tests;

public sealed class SiloOptionsTests
{
    [Theory]
    [InlineData("--prot 8000", "--prot is not an option of Grid; did you mean --port?")]
    [InlineData("--model_path /x", "--model_path is not an option of Grid; did you mean --model-path?")]
    [InlineData("--Grid:Prot=1", "--Grid:Prot is not an option of Grid; --help lists them.")]
    [InlineData("--Gateway:MaxJsonDeth=1", "--Gateway:MaxJsonDeth is not an option of Grid; did you mean --Gateway:MaxJsonDepth?")]
    [InlineData("--tensor-parallel-size 2", "--tensor-parallel-size is '2': a model runs on one GPU; a node with several serves a whole model on each (--device).")]
    [InlineData("--dp-size 4", "--dp-size is '4': --device says the copies: cuda is one on every GPU, cuda:0,cuda:1 one on each of two.")]
    [InlineData("--dtype float16", "--dtype is 'float16': Grid computes in bfloat16 with sums in fp32, and in nothing else, so that all devices give the same bits; auto or bfloat16.")]
    [InlineData("--attention-backend torch_native", "--attention-backend is 'torch_native': Grid has one attention, that of its numeric contract; flashinfer, fa3 and triton all mean it.")]
    [InlineData("--enable-metrics=false", "--enable-metrics is 'false': /metrics is always there.")]
    [InlineData("--max-model-len 8 --context-length 9", "--max-model-len is given twice; give it once.")]
    [InlineData("--chunked-prefill-size -2", "--chunked-prefill-size is '-2'; it must be a whole number from 1 to 65536.")]
    [InlineData("--random-seed -1", "--random-seed is '-1'; it must be a whole number from 0 to 9007199254740991.")]
    [InlineData("serve", "'serve' belongs to no option; options are written --name value or --name=value.")]
    [InlineData("--port", "--port has no value; it takes <number>.")]
    [InlineData("--port --host x", "--port has no value; it takes <number>.")]
    [InlineData("--port 1 --port 2", "--port is given twice; give it once.")]
    [InlineData("--port 1 --Grid:Port=2", "--Grid:Port is given twice; give it once.")]
    [InlineData("--port abc", "--port is 'abc'; it must be a whole number from 0 to 65535.")]
    [InlineData("--port=65536", "--port is '65536'; it must be a whole number from 0 to 65535.")]
    [InlineData("--port=-1", "--port is '-1'; it must be a whole number from 0 to 65535.")]
    [InlineData("--host nowhere", "--host is 'nowhere'; it must be an IP address of this machine, or localhost.")]
    [InlineData("--trusted-proxies proxy.example", "--trusted-proxies is 'proxy.example'; it must be IP addresses or networks, with commas between, such as 10.0.0.7,192.168.0.0/16.")]
    [InlineData("--Gateway:TrustedProxies 10.0.0.0/33", "--Gateway:TrustedProxies is '10.0.0.0/33'; it must be IP addresses or networks, with commas between, such as 10.0.0.7,192.168.0.0/16.")]
    [InlineData("--device gpu", "--device is 'gpu'; it must be auto, cpu, cuda, or a list of cpu and cuda:N such as cuda:0,cuda:1.")]
    [InlineData("--device cuda:0,cuda", "--device is 'cuda:0,cuda'; it must be auto, cpu, cuda, or a list of cpu and cuda:N such as cuda:0,cuda:1.")]
    [InlineData("--device cuda:-1", "--device is 'cuda:-1'; it must be auto, cpu, cuda, or a list of cpu and cuda:N such as cuda:0,cuda:1.")]
    [InlineData("--device cuda:1,cuda:1", "--device is 'cuda:1,cuda:1'; it must name a GPU only once.")]
    [InlineData("--device=", "--device is ''; it must be auto, cpu, cuda, or a list of cpu and cuda:N such as cuda:0,cuda:1.")]
    [InlineData("--mem-fraction-static 1", "--mem-fraction-static is '1'; it must be a share from 0.05 to 0.99.")]
    [InlineData("--mem-fraction-static 90%", "--mem-fraction-static is '90%'; it must be a share from 0.05 to 0.99.")]
    [InlineData("--load-format gguf", "--load-format is 'gguf'; it must be auto, safetensors or dummy.")]
    [InlineData("--sampling-defaults none", "--sampling-defaults is 'none'; it must be model or openai.")]
    [InlineData("--skip-tokenizer-init=maybe", "--skip-tokenizer-init is 'maybe'; it must be true or false.")]
    [InlineData("--kv-cache-memory lots", "--kv-cache-memory is 'lots'; it must be a size such as 512MiB or 2GB.")]
    [InlineData("--cpu-threads 0", "--cpu-threads is '0'; it must be a whole number from 1 to 1024.")]
    [InlineData("--log-level loud", "--log-level is 'loud'; it must be debug, info, warning or error.")]
    [InlineData("--watchdog-timeout 0", "--watchdog-timeout is '0'; it must be a whole number of seconds from 1 to 86400.")]
    [InlineData("--hedge-after 1s", "--hedge-after is '1s'; it must be a whole number of milliseconds from 20 to 600000.")]
    [InlineData("--cross-check=maybe", "--cross-check is 'maybe'; it must be true or false.")]
    [InlineData("--model-path=", "--model-path is ''; it must not be empty.")]
    public void A_wrong_option_is_refused_with_its_name_value_and_rule(string line, string message)
    {
        var error = Assert.Throws<StartException>(() => Read(line));
        Assert.Equal((message, StartException.Usage), (error.Message, error.ExitCode));
    }

    [Fact]
    public void Determinism_cannot_be_switched_off()
    {
        Read("--enable-deterministic-inference");
        Read("--enable-deterministic-inference --port 1");
        Read("--enable-deterministic-inference=true");
        var error = Assert.Throws<StartException>(() => Read("--enable-deterministic-inference=false"));
        Assert.StartsWith("--enable-deterministic-inference is 'false': Grid has no other arithmetic", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Of SGLang's page on deterministic inference, and of vLLM's on batch invariance.</summary>
    [Theory]
    [InlineData("--model-path Qwen/Qwen3-8B --attention-backend flashinfer --enable-deterministic-inference")]
    [InlineData("--model-path Qwen/Qwen3-8B --attention-backend fa3 --enable-deterministic-inference --random-seed 42 --trust-remote-code")]
    [InlineData("--model-path Qwen/Qwen3-8B --tp-size 1 --dp-size 1 --dtype bfloat16 --context-length 8192 --mem-fraction-static 0.8 --chunked-prefill-size -1 --disable-radix-cache --skip-server-warmup --enable-metrics --attention-backend triton")]
    [InlineData("--model-path Qwen/Qwen3-8B --tp 1 --dp 1 --host 0.0.0.0 --port 30000 --dtype auto")]
    [InlineData("--model Qwen/Qwen3-8B --max-model-len 8192 --tensor-parallel-size 1 --gpu-memory-utilization 0.9 --max-num-seqs 64 --max-num-batched-tokens 2048 --seed 42 --no-enable-prefix-caching")]
    public void Launch_lines_of_other_servers_are_understood(string line) => Assert.Equal("Qwen/Qwen3-8B", Read(line).ModelPath);

    [Fact]
    public void What_other_servers_options_mean_here_is_what_Grids_own_mean()
    {
        var options = Read("--max-model-len 8192 --gpu-memory-utilization 0.8 --max-num-seqs 64 --max-num-batched-tokens 2048 --seed 42 --no-enable-prefix-caching --chunked-prefill-size -1");
        Assert.Equal((8192, 0.8, 64, 2048, 42UL, true), (options.ContextLength, options.MemFractionStatic, options.MaxRunningRequests, options.MaxBatchTokens, options.Gateway.RandomSeed, options.DisableRadixCache));
        Assert.Equal(new DeviceDefaults(2048, 2048, 64), DeviceDefaults.Cuda.With(options));
        Assert.Empty(options.Launch.Remarks());
        Assert.Equal(
            ["--attention-backend fa3: one contract, one attention; flashinfer, fa3 and triton give the same bits here", "--trust-remote-code: nothing to trust, for Grid runs no code of a model"],
            Read("--attention-backend FA3 --trust-remote-code --tp 1").Launch.Remarks());
    }

    [Fact]
    public void Sampling_defaults_are_the_models_unless_told_otherwise()
    {
        Assert.True(Read("").UseModelSampling);
        Assert.True(Read("--sampling-defaults model").UseModelSampling);
        Assert.False(Read("--sampling-defaults openai").UseModelSampling);
    }

    [Fact]
    public void Hedging_and_cross_checking_are_off_unless_asked_for()
    {
        Assert.Equal((null, false), (Read("").Sequences.HedgeAfter, Read("").Sequences.CrossCheck));
        var sequences = Read("--hedge-after 150 --cross-check").Sequences;
        Assert.Equal((TimeSpan.FromMilliseconds(150), true), (sequences.HedgeAfter, sequences.CrossCheck));
    }

    [Fact]
    public void A_model_of_the_hub_has_a_name_and_a_revision()
    {
        var options = Read("--model-path Qwen/Qwen3-8B --revision v1.0");
        Assert.Equal(("Qwen/Qwen3-8B", "v1.0"), (options.ModelPath, options.Revision));
        Assert.Equal("--revision is ''; it must not be empty.", Assert.Throws<StartException>(() => Read("--revision=")).Message);
    }

    [Fact]
    public void Options_are_taken_from_the_command_line_over_the_configuration()
    {
        var options = Read(
            "--model-path /models/m --port=9000 --Grid:Host=0.0.0.0 --kv-cache-memory 1.5GiB --chunked-prefill-size 7 --Gateway:MaxJsonDepth=16",
            ("Grid:Port", "1"), ("Grid:MaxRunningRequests", "5"), ("Gateway:MaxJsonDepth", "17"), ("Gateway:QueueSize", "3"), ("Unrelated:Section", "x"));
        Assert.Equal(("/models/m", 9000, IPAddress.Any, 3L << 29, 7, 5), (options.ModelPath, options.Port, options.Host, options.KvCacheMemory, options.ChunkedPrefillSize, options.MaxRunningRequests));
        Assert.Equal((16, 3), (options.Gateway.MaxJsonDepth, options.Sequences.QueueSize));
    }

    [Theory]
    [InlineData("Grid:Prot", "1", "Grid:Prot is not an option of Grid; did you mean Grid:Port?")]
    [InlineData("Grid:Port", "x", "Grid:Port is 'x'; it must be a whole number from 0 to 65535.")]
    [InlineData("Gateway:QueueSze", "1", "Gateway:QueueSze is not an option of Grid; did you mean Gateway:QueueSize?")]
    [InlineData("Gateway:QueueSize", "-1", "Gateway:QueueSize is '-1'; it must be a whole number from 0 to 1000000.")]
    public void A_wrong_setting_is_refused_like_a_wrong_option(string key, string value, string message) =>
        Assert.Equal(message, Assert.Throws<StartException>(() => Read("", (key, value))).Message);

    [Fact]
    public void The_help_text_names_every_option_and_the_defaults_that_devices_have()
    {
        var help = new StringWriter();
        GridNode.Program.WriteHelp(help);
        Assert.All(GridNode.Program.Names, name => Assert.Contains($"  {name} <", help.ToString(), StringComparison.Ordinal));
        var (gpu, cpu) = (DeviceDefaults.Cuda, DeviceDefaults.Cpu);
        Assert.Contains($"Tokens in one forward pass at most; also --max-num-batched-tokens (default: {gpu.MaxBatchTokens} on a GPU, {cpu.MaxBatchTokens} on a CPU)", help.ToString(), StringComparison.Ordinal);
        Assert.Contains($"as many as a forward pass takes (default: {gpu.ChunkedPrefillSize} on a GPU, {cpu.ChunkedPrefillSize} on a CPU)", help.ToString(), StringComparison.Ordinal);
        Assert.Contains($"on each device; also --max-num-seqs (default: {gpu.MaxRunningRequests} on a GPU, {cpu.MaxRunningRequests} on a CPU)", help.ToString(), StringComparison.Ordinal);
        Assert.Contains($"for weights and KV cache; also --gpu-memory-utilization (default: {DeviceDefaults.MemFractionStatic} for a GPU)", help.ToString(), StringComparison.Ordinal);
    }

    private static NodeOptions Read(string line, params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create<string, string?>(setting.Key, setting.Value))).Build();
        return GridNode.Program.Read(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), configuration);
    }
}
