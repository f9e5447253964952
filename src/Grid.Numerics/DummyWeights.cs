using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using System.Text;

namespace Grid.Numerics;

/// <summary>How the values of one generated tensor come about: value i is bf16((Base + s) * 2^Exponent), s the odd
/// integer in (-2^16, 2^16) made of 16 bits that the key gives for i.</summary>
/// <param name="Key0">First word of the Philox key.</param>
/// <param name="Key1">Second word of the Philox key.</param>
/// <param name="Base">Centre of the values, in units of 2^Exponent; below 2^23 in magnitude.</param>
/// <param name="Exponent">The power of two that scales the integers.</param>
public readonly record struct DummyTensor(uint Key0, uint Key1, int Base, int Exponent);

/// <summary>
/// Weights made of nothing but a tensor's name and shape (section 9 of the contract), for benchmarks without a
/// checkpoint. A device may make them itself: there is no state and no order, and every value is exact integer
/// arithmetic with one rounding at its end.
/// </summary>
public static class DummyWeights
{
    /// <summary>Changes whenever a value changes.</summary>
    public const int Version = 1;

    /// <summary>Values of one Philox block.</summary>
    public const int BlockValues = 8;

    private const int VectorBlocks = 8;
    private const int VectorValues = VectorBlocks * BlockValues;
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint KeyStep0 = 0x9E3779B9;
    private const uint KeyStep1 = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>How a tensor's values are made: uniform around 1 for norm scales, around 0 for biases and matrices,
    /// whose size keeps rows of K inputs at the size they came with.</summary>
    /// <param name="name">The checkpoint's name of the tensor.</param>
    /// <param name="shape">One or more dimensions; the last is K.</param>
    public static DummyTensor Describe(string name, params ReadOnlySpan<int> shape) => Describe(name, 0, shape);

    /// <inheritdoc cref="Describe(string, ReadOnlySpan{int})"/>
    /// <param name="name">The checkpoint's name of the tensor.</param>
    /// <param name="seed">Others for each seed.</param>
    /// <param name="shape">One or more dimensions; the last is K.</param>
    public static DummyTensor Describe(string name, ulong seed, ReadOnlySpan<int> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfZero(shape.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(shape[^1], 1);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        string key = string.Create(CultureInfo.InvariantCulture, $"grid dummy weights {Version}\n{name}{(seed == 0 ? "" : $"\n{seed}")}");
        SHA256.HashData(Encoding.UTF8.GetBytes(key), digest);
        uint key0 = BinaryPrimitives.ReadUInt32LittleEndian(digest);
        uint key1 = BinaryPrimitives.ReadUInt32LittleEndian(digest[4..]);
        if (shape.Length > 1)
        {
            return new DummyTensor(key0, key1, 0, -15 - (BitOperations.Log2((uint)shape[^1]) / 2));
        }

        return name.EndsWith("bias", StringComparison.Ordinal)
            ? new DummyTensor(key0, key1, 0, -20)
            : new DummyTensor(key0, key1, 1 << 19, -19);
    }

    /// <summary>The reference: bf16 bits of the value with a flat (row-major) index.</summary>
    public static ushort Element(in DummyTensor tensor, long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ulong block = (ulong)index / BlockValues;
        var words = Philox4x32.Generate(tensor.Key0, tensor.Key1, (uint)block, (uint)(block >> 32), 0, 0);
        int half = (int)(index % BlockValues);
        uint word = (half / 2) switch
        {
            0 => words.Word0,
            1 => words.Word1,
            2 => words.Word2,
            _ => words.Word3,
        };
        uint bits = half % 2 == 0 ? word & 0xFFFF : word >> 16;
        int odd = (2 * (int)bits) - 0xFFFF;
        return Bf16.FromSingle((tensor.Base + odd) * PowerOfTwo(tensor.Exponent));
    }

    /// <summary>Values first, first + 1, … into destination. Safe to call from several threads.</summary>
    public static void Fill(in DummyTensor tensor, long first, Span<ushort> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        Span<ushort> edge = stackalloc ushort[VectorValues];
        long block = first / BlockValues;
        int skip = (int)(first % BlockValues);
        if (skip > 0)
        {
            FillBlocks(tensor, (ulong)block++, edge);
            int head = Math.Min(BlockValues - skip, destination.Length);
            edge.Slice(skip, head).CopyTo(destination);
            destination = destination[head..];
        }

        int whole = destination.Length / VectorValues * VectorValues;
        for (int at = 0; at < whole; at += VectorValues, block += VectorBlocks)
        {
            FillBlocks(tensor, (ulong)block, destination.Slice(at, VectorValues));
        }

        if (whole < destination.Length)
        {
            FillBlocks(tensor, (ulong)block, edge);
            edge[..(destination.Length - whole)].CopyTo(destination[whole..]);
        }
    }

    /// <summary>Eight blocks, a 64-bit lane each. The upper half of a lane may hold anything until the end: a
    /// multiplication reads the lower halves only.</summary>
    private static void FillBlocks(in DummyTensor tensor, ulong firstBlock, Span<ushort> destination)
    {
        var c0 = Vector512.Create(firstBlock) + Vector512<ulong>.Indices;
        var c1 = c0 >>> 32;
        var c2 = Vector512<ulong>.Zero;
        var c3 = Vector512<ulong>.Zero;
        (uint key0, uint key1) = (tensor.Key0, tensor.Key1);
        for (int round = 0; round < Rounds; round++)
        {
            var product0 = MultiplyLower(c0, Multiplier0);
            var product1 = MultiplyLower(c2, Multiplier1);
            c0 = (product1 >>> 32) ^ c1 ^ Vector512.Create((ulong)key0);
            c1 = product1;
            c2 = (product0 >>> 32) ^ c3 ^ Vector512.Create((ulong)key1);
            c3 = product0;
            key0 += KeyStep0;
            key1 += KeyStep1;
        }

        var lower = Vector512.Create((ulong)uint.MaxValue);
        var evens = ToBf16(tensor, ((c0 & lower) | (c1 << 32)).AsUInt16()).AsUInt64();
        var odds = ToBf16(tensor, ((c2 & lower) | (c3 << 32)).AsUInt16()).AsUInt64();
        var halves = MemoryMarshal.Cast<ushort, ulong>(destination);
        for (int i = 0; i < VectorBlocks; i++)
        {
            halves[2 * i] = evens[i];
            halves[(2 * i) + 1] = odds[i];
        }
    }

    private static Vector512<ulong> MultiplyLower(Vector512<ulong> value, uint factor)
    {
        var factors = Vector512.Create((ulong)factor);
        return Avx512F.IsSupported
            ? Avx512F.Multiply(value.AsUInt32(), factors.AsUInt32())
            : (value & Vector512.Create((ulong)uint.MaxValue)) * factors;
    }

    private static Vector512<ushort> ToBf16(in DummyTensor tensor, Vector512<ushort> bits)
    {
        (var first, var second) = Vector512.Widen(bits);
        return Vector512.Narrow(ToBf16(tensor, first), ToBf16(tensor, second));
    }

    private static Vector512<uint> ToBf16(in DummyTensor tensor, Vector512<uint> bits)
    {
        var integers = (bits << 1).AsInt32() + Vector512.Create(tensor.Base - 0xFFFF);
        var value = (Vector512.ConvertToSingle(integers) * PowerOfTwo(tensor.Exponent)).AsUInt32();
        return (value + Vector512.Create(0x7FFFu) + ((value >>> 16) & Vector512<uint>.One)) >>> 16;
    }

    private static float PowerOfTwo(int exponent) => BitConverter.Int32BitsToSingle((exponent + 127) << 23);
}
