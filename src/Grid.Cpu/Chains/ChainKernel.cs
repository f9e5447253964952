using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Grid.Cpu.Chains;

/// <summary>
/// Runs Dot16 chains for a tile of 16 output columns and a few rows. Weights lie in pairs of k, so that one 32-bit lane
/// holds two consecutive k of one column: [k/2][16 columns][2] bf16. Every form gives the reference's bits.
/// </summary>
/// <remarks>
/// The vector forms need |x| and |w| below 2^30 (<see cref="ExtremeExponentField"/>): then a zero factor's phantom
/// exponent stays below the least exponent they handle themselves, and they take single lanes that fall below it
/// through the integer form. Callers route rows and tiles with larger or non-finite values to the integer form.
/// </remarks>
internal abstract unsafe class ChainKernel
{
    /// <summary>Columns of a tile.</summary>
    public const int Columns = 16;

    /// <summary>Rows that share one pass over the weights.</summary>
    public const int MaxRows = 8;

    /// <summary>bf16 values of weights per step of 16 k.</summary>
    public const int StepWeights = 16 * Columns;

    /// <summary>Exponent field from which values count as extreme.</summary>
    public const int ExtremeExponentField = 127 + 30;

    /// <summary>
    /// acc[r][c] continues its chain over <paramref name="steps"/> steps: the rows are x + r * xStride.
    /// </summary>
    /// <param name="weights">[steps * 8][16][2] bf16.</param>
    /// <param name="steps">Steps of 16 k.</param>
    /// <param name="x">Row values widened to fp32.</param>
    /// <param name="exponents">Their exponent fields in place: bf16 bits &amp; 0x7F80.</param>
    /// <param name="xStride">Elements between rows, for both.</param>
    /// <param name="rows">1 to <see cref="MaxRows"/>.</param>
    /// <param name="acc">[rows][16] fp32, read and written.</param>
    /// <param name="accStride">Elements between rows of acc.</param>
    public abstract void Run(
        ushort* weights, int steps, float* x, ushort* exponents, nint xStride, int rows, float* acc, nint accStride);

    /// <summary>
    /// One row over two tiles; the bits of two calls of <see cref="Run"/>. A single row is where a kernel needs a second
    /// chain to work on while it waits for the first.
    /// </summary>
    /// <param name="first">[steps * 8][16][2] bf16.</param>
    /// <param name="second">The other tile, as the first.</param>
    /// <param name="steps">Steps of 16 k.</param>
    /// <param name="x">The row's values widened to fp32.</param>
    /// <param name="exponents">Their exponent fields in place.</param>
    /// <param name="accFirst">[16] fp32, read and written.</param>
    /// <param name="accSecond">[16] fp32, read and written.</param>
    public virtual void RunTwoTiles(
        ushort* first, ushort* second, int steps, float* x, ushort* exponents, float* accFirst, float* accSecond)
    {
        Run(first, steps, x, exponents, 0, 1, accFirst, Columns);
        Run(second, steps, x, exponents, 0, 1, accSecond, Columns);
    }

    // A vector form takes lanes back to integers where the largest exponent falls below this, or where the products'
    // sum could leave int32 once the accumulator (below 2^26) joins: 16 products alone stay below 2^31 - 2^24.
    protected const int LeastExponentBits = (127 - 60) << 23;
    protected const int LargestProductSum = int.MaxValue - (1 << 27);

    /// <summary>Fetches the weights of one step four steps ahead.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static void Prefetch(ushort* w)
    {
        byte* ahead = (byte*)(w + (4 * StepWeights));
        Sse.Prefetch0(ahead);
        Sse.Prefetch0(ahead + 64);
        Sse.Prefetch0(ahead + 128);
        Sse.Prefetch0(ahead + 192);
        Sse.Prefetch0(ahead + 256);
        Sse.Prefetch0(ahead + 320);
        Sse.Prefetch0(ahead + 384);
        Sse.Prefetch0(ahead + 448);
    }

    public static ChainKernel Create(CpuInstructionSet set) => set switch
    {
        CpuInstructionSet.Avx512 => new Avx512ChainKernel(),
        CpuInstructionSet.Avx2 => new Avx2ChainKernel(),
        CpuInstructionSet.Portable => new PortableChainKernel(),
        _ => throw new ArgumentOutOfRangeException(nameof(set), set, "The instruction set must be resolved first."),
    };
}
