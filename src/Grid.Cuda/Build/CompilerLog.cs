using System.Text.RegularExpressions;

namespace Grid.Cuda.Build;

/// <summary>What must not be in a compiler's log: remarks after which a kernel still runs, but slowly.</summary>
internal static partial class CompilerLog
{
    // The words of ptxas, CUDA 13.0. An injected warpgroup.arrive (C7519) is no loss and stays allowed.
    private static readonly (string Text, string Reason)[] Refused =
    [
        ("wgmma.mma_async instructions are serialized", "has its wgmma instructions serialised"),
        ("warpgroup.wait is injected", "reads registers of a wgmma in flight, so that the compiler makes it wait"),
        ("setmaxnreg ignored", "has its setmaxnreg ignored"),
        ("'setmaxnreg' ignored", "has its setmaxnreg ignored"),
    ];

    /// <summary>Throws when the log holds one of the refused remarks.</summary>
    /// <param name="kernel">What was compiled.</param>
    /// <param name="log">With the resource usage of every function, as -v asks for.</param>
    /// <exception cref="KernelBuildException">It does; the message holds the log.</exception>
    public static void Check(string kernel, string log)
    {
        var remarks = Refused
            .Where(refused => log.Contains(refused.Text, StringComparison.OrdinalIgnoreCase))
            .Select(refused => refused.Reason);
        var usages = UsagePattern().Matches(log)
            .Where(usage => usage.Groups.Values.Skip(1).Any(bytes => bytes.Value != "0"))
            .Select(usage => $"must keep everything in registers and needs {usage.Value}");
        string[] reasons = [.. remarks.Concat(usages).Distinct()];
        if (reasons.Length > 0)
        {
            throw new KernelBuildException(kernel, string.Join(", ", reasons), log);
        }
    }

    [GeneratedRegex("([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads")]
    private static partial Regex UsagePattern();
}
