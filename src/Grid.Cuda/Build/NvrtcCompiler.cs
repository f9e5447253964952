using System.Text;
using Grid.Cuda.Driver;
using static Grid.Cuda.Driver.NvrtcApi;

namespace Grid.Cuda.Build;

/// <summary>NVRTC, compiling for sm_90a with the contract's arithmetic: nothing contracted, flushed or approximated.</summary>
internal sealed unsafe class NvrtcCompiler : IKernelCompiler
{
    private const string PtxArchitecture = "--gpu-architecture=compute_90a";
    private const string EmptyKernel = "extern \"C\" __global__ void empty() {}";

    private static readonly string[] ContractOptions =
    [
        "--gpu-architecture=sm_90a",
        "--std=c++20",
        "--fmad=false",
        "--ftz=false",
        "--prec-div=true",
        "--prec-sqrt=true",
        "--generate-line-info",
        "--ptxas-options=-v",
    ];

    // NVRTC 12.9 and newer keep compiled code in a cache of their own, and what comes from there comes without its log: no word
    // of spills or serialised wgmma. Older ones do not know the option.
    private const string WithoutCache = "--no-cache";

    private NvrtcCompiler(CudaVersion version, string identity, IReadOnlyList<string> options)
    {
        Version = version;
        Identity = identity;
        Options = options;
    }

    /// <summary>Of NVRTC: what it makes needs a driver of this major version or a newer one.</summary>
    public CudaVersion Version { get; }

    /// <summary>Version and build, such as "NVRTC 13.0, Cuda compilation tools, release 13.0, V13.0.88, Build ID: …".</summary>
    public string Identity { get; }

    public IReadOnlyList<string> Options { get; }

    /// <summary>Loads the compiler.</summary>
    /// <param name="driver">What the driver supports; null where what is made is for another machine's.</param>
    /// <exception cref="CudaUnavailableException">There is no NVRTC on this machine, or none for this driver.</exception>
    public static NvrtcCompiler Load(CudaVersion? driver)
    {
        var version = NativeLibraries.RequireNvrtc(driver);
        IReadOnlyList<string> options = Knows(WithoutCache) ? [.. ContractOptions, WithoutCache] : ContractOptions;
        return new NvrtcCompiler(version, $"NVRTC {version}, {ReadBuild()}", options);
    }

    public CompiledKernel Compile(KernelSource source)
    {
        string[] options = [.. Options, .. source.Definitions.Select(definition => $"--define-macro={definition}")];
        using var program = new Program(source.Name + ".cu", source.Text, source.Headers);
        var result = program.Compile(options);
        string log = program.ReadLog();
        if (result == nvrtcResult.NVRTC_ERROR_COMPILATION)
        {
            throw new KernelBuildException(source.Name, "does not compile", log);
        }

        CudaException.Check(result, nameof(nvrtcCompileProgram));
        if (!log.Contains("bytes stack frame", StringComparison.Ordinal))
        {
            throw new KernelBuildException(
                source.Name, "was compiled without a report of its registers and memory, so that spills would go unseen", log);
        }

        return new CompiledKernel(program.ReadCubin(), log);
    }

    private static bool Knows(string option)
    {
        using var program = new Program("option.cu", EmptyKernel, []);
        var result = program.Compile([PtxArchitecture, option]);
        if (result != nvrtcResult.NVRTC_ERROR_INVALID_OPTION)
        {
            CudaException.Check(result, nameof(nvrtcCompileProgram));
        }

        return result == nvrtcResult.NVRTC_SUCCESS;
    }

    // The library's version call gives major and minor only; the banner of its PTX holds the build.
    private static string ReadBuild()
    {
        using var program = new Program("build.cu", EmptyKernel, []);
        CudaException.Check(program.Compile([PtxArchitecture]), nameof(nvrtcCompileProgram));
        var banner = program.ReadPtx().Split('\n')
            .TakeWhile(line => !line.StartsWith('.'))
            .Select(line => line.TrimStart('/', ' ').TrimEnd())
            .Where(line => line.StartsWith("Cuda compilation tools", StringComparison.Ordinal)
                || line.StartsWith("Compiler Build ID", StringComparison.Ordinal));
        return string.Join(", ", banner);
    }

    /// <summary>One program of the library, with its texts in native memory until it is disposed.</summary>
    private sealed class Program : IDisposable
    {
        private nvrtcProgram handle;

        public Program(string name, string text, IReadOnlyList<KernelHeader> headers)
        {
            using var texts = new NativeTexts([text, name, .. headers.Select(header => header.Text), .. headers.Select(header => header.Name)]);
            byte** all = texts.Pointers;
            nvrtcProgram created;
            CudaException.Check(
                nvrtcCreateProgram(&created, all[0], all[1], headers.Count, all + 2, all + 2 + headers.Count),
                nameof(nvrtcCreateProgram));
            handle = created;
        }

        public nvrtcResult Compile(string[] options)
        {
            using var texts = new NativeTexts(options);
            return nvrtcCompileProgram(handle, options.Length, texts.Pointers);
        }

        public string ReadLog() => Read(nvrtcGetProgramLogSize, nvrtcGetProgramLog, nameof(nvrtcGetProgramLog));

        public string ReadPtx() => Read(nvrtcGetPTXSize, nvrtcGetPTX, nameof(nvrtcGetPTX));

        public byte[] ReadCubin()
        {
            nuint size;
            CudaException.Check(nvrtcGetCUBINSize(handle, &size), nameof(nvrtcGetCUBINSize));
            byte[] cubin = new byte[checked((int)size)];
            fixed (byte* start = cubin)
            {
                CudaException.Check(nvrtcGetCUBIN(handle, start), nameof(nvrtcGetCUBIN));
            }

            return cubin;
        }

        public void Dispose()
        {
            var destroyed = handle;
            if (destroyed != default)
            {
                handle = default;
                CudaException.Check(nvrtcDestroyProgram(&destroyed), nameof(nvrtcDestroyProgram));
            }
        }

        private delegate nvrtcResult SizeCall(nvrtcProgram program, nuint* size);

        private delegate nvrtcResult TextCall(nvrtcProgram program, byte* text);

        private string Read(SizeCall readSize, TextCall readText, string call)
        {
            nuint size;
            CudaException.Check(readSize(handle, &size), call);
            byte[] text = new byte[checked((int)size)];
            fixed (byte* start = text)
            {
                CudaException.Check(readText(handle, start), call);
            }

            return Encoding.UTF8.GetString(text).TrimEnd('\0');
        }
    }
}
