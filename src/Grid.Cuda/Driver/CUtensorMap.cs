using System.Runtime.CompilerServices;
using static Grid.Cuda.Driver.DriverApi;

namespace Grid.Cuda.Driver;

/// <summary>
/// What the copy engine knows of a tensor, opaque, by value in a kernel's arguments. It depends on nothing but what it was made
/// of, so it is made anew for every launch (a few hundred nanoseconds on the host) and none can be out of date.
/// </summary>
[InlineArray(Words)]
internal unsafe struct CUtensorMap
{
    private const int Words = 16;
    private const int Alignment = 64; // that the driver asks of the place it writes to
    private ulong words;

    /// <summary>Rows of bf16, one after the other, fetched and stored in boxes whose rows of 128 bytes are swizzled.</summary>
    /// <param name="start">A multiple of 16.</param>
    /// <param name="columns">Elements of a row, a multiple of 8.</param>
    /// <param name="rows">What lies outside them is read as zeros and never written.</param>
    /// <param name="boxColumns">Of a box, at most 64.</param>
    /// <param name="boxRows">Of a box, at most 256.</param>
    /// <exception cref="CudaException">The driver refuses it.</exception>
    public static CUtensorMap OfRows(CUdeviceptr start, int columns, long rows, int boxColumns, int boxRows)
    {
        byte* room = stackalloc byte[sizeof(CUtensorMap) + Alignment];
        var map = (CUtensorMap*)(((nuint)room + Alignment - 1) / Alignment * Alignment);
        ulong* sizes = stackalloc ulong[] { (ulong)columns, (ulong)rows };
        ulong stride = (ulong)columns * sizeof(ushort);
        uint* box = stackalloc uint[] { (uint)boxColumns, (uint)boxRows };
        uint* steps = stackalloc uint[] { 1, 1 };
        var result = cuTensorMapEncodeTiled(
            map, CUtensorMapDataType.CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, (void*)start.Address, sizes, &stride, box, steps,
            CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE, CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B,
            CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
        if (result != CUresult.CUDA_SUCCESS)
        {
            CudaException.Throw(
                result, nameof(cuTensorMapEncodeTiled), $"{rows} rows of {columns} at {start.Address:x}, boxes of {boxRows} x {boxColumns}");
        }

        return *map;
    }
}
