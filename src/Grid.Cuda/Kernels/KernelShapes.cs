using System.Runtime.CompilerServices;
using Grid.Cuda.Driver;

namespace Grid.Cuda.Kernels;

/// <summary>What launchers check before they hand addresses to a kernel; nothing here allocates unless it fails.</summary>
internal static class KernelShapes
{
    /// <summary>What a kernel's widest access needs.</summary>
    private const int Alignment = 16;

    /// <summary>The operand has at least the bytes that the kernel touches, and starts where 16-byte accesses may.</summary>
    public static void RequireBytes(
        DeviceSpan operand, long bytes, [CallerArgumentExpression(nameof(operand))] string name = "")
    {
        if (bytes <= 0 || operand.Bytes < bytes)
        {
            throw new ArgumentException($"{name} has {operand.Bytes} bytes, and the kernel touches {bytes}.", name);
        }

        if (operand.Start.Address % Alignment != 0)
        {
            throw new ArgumentException($"{name} starts at {operand.Start.Address:x}, no multiple of {Alignment}.", name);
        }
    }

    /// <summary>Rows of so many elements start where 16-byte accesses may.</summary>
    public static void RequireMultiple(int width, int multiple, [CallerArgumentExpression(nameof(width))] string name = "")
    {
        if (width <= 0 || width % multiple != 0)
        {
            throw new ArgumentException($"{name} is {width}; it must be a multiple of {multiple}, and above 0.", name);
        }
    }
}
