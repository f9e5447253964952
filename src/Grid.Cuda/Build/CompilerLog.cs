namespace Grid.Cuda.Build;

/// <summary>What must not be in a compiler's log: remarks after which a kernel still runs, but slowly.</summary>
internal static class CompilerLog
{
    // ptxas (CUDA 12.8 to 13.0) says: "Registers are spilled to local memory in function 'f', 8 bytes spill stores, …",
    // "Local memory used for function 'f', size of stack frame: 16 bytes", "Potential Performance Loss:
    // wgmma.mma_async instructions are serialized due to …" (C7510 and its neighbours), "setmaxnreg ignored …" (C7508).
    private static readonly (string Text, string Reason)[] Refused =
    [
        ("spilled to local memory", "spills registers to local memory"),
        ("local memory used", "uses local memory"),
        ("wgmma.mma_async instructions are serialized", "has its wgmma instructions serialised"),
        ("setmaxnreg ignored", "has its setmaxnreg ignored"),
        ("'setmaxnreg' ignored", "has its setmaxnreg ignored"),
    ];

    /// <summary>Throws when the log holds one of the refused remarks.</summary>
    /// <exception cref="KernelBuildException">It does; the message holds the log.</exception>
    public static void Check(string kernel, string log)
    {
        foreach ((string text, string reason) in Refused)
        {
            if (log.Contains(text, StringComparison.OrdinalIgnoreCase))
            {
                throw new KernelBuildException(kernel, reason, log);
            }
        }
    }
}
