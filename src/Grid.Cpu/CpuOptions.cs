using System.Runtime.Intrinsics.X86;

namespace Grid.Cpu;

/// <summary>The forms in which Dot16 chains exist; all give the same bits.</summary>
public enum CpuInstructionSet
{
    /// <summary>The fastest one this machine has.</summary>
    Auto,

    /// <summary>16 columns a vector (AVX-512 F, BW, DQ).</summary>
    Avx512,

    /// <summary>8 columns a vector.</summary>
    Avx2,

    /// <summary>4 columns a vector in operations every machine has; integers where it has no vectors.</summary>
    Portable,
}

/// <summary>How the CPU device works. Nothing here changes a bit of any result.</summary>
public sealed record CpuOptions
{
    /// <summary>Cores to use, the calling thread included; 0 takes all.</summary>
    public int Threads { get; init; }

    /// <summary>Which form of the chains to use.</summary>
    public CpuInstructionSet InstructionSet { get; init; }

    /// <summary>Whether this machine can run a form.</summary>
    public static bool IsSupported(CpuInstructionSet set) => set switch
    {
        CpuInstructionSet.Avx512 => Avx512BW.IsSupported && Avx512DQ.IsSupported,
        CpuInstructionSet.Avx2 => Avx2.IsSupported,
        _ => true,
    };

    internal CpuInstructionSet ResolveInstructionSet()
    {
        if (InstructionSet == CpuInstructionSet.Auto)
        {
            return IsSupported(CpuInstructionSet.Avx512) ? CpuInstructionSet.Avx512
                : IsSupported(CpuInstructionSet.Avx2) ? CpuInstructionSet.Avx2
                : CpuInstructionSet.Portable;
        }

        return IsSupported(InstructionSet)
            ? InstructionSet
            : throw new PlatformNotSupportedException($"InstructionSet is {InstructionSet}, which this machine's processor does not have.");
    }

    internal int ResolveThreads() => Threads switch
    {
        0 => Environment.ProcessorCount,
        > 0 => Threads,
        _ => throw new ArgumentOutOfRangeException(nameof(Threads), Threads, "Threads must be 0 (all cores) or more."),
    };
}
