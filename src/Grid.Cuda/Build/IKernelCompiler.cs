namespace Grid.Cuda.Build;

/// <summary>Makes machine code of kernel texts. Calls may come from several threads at once.</summary>
internal interface IKernelCompiler
{
    /// <summary>Which compiler exactly, build included: another one may make other code of the same text.</summary>
    string Identity { get; }

    /// <summary>Options of every compilation, in order.</summary>
    IReadOnlyList<string> Options { get; }

    /// <summary>Compiles one text.</summary>
    /// <exception cref="KernelBuildException">The text has errors; the message holds the compiler's log.</exception>
    CompiledKernel Compile(KernelSource source);
}

/// <summary>A compiler's product.</summary>
/// <param name="Cubin">Machine code.</param>
/// <param name="Log">What the compiler said about it; warnings are not failures to a compiler.</param>
internal sealed record CompiledKernel(byte[] Cubin, string Log);
