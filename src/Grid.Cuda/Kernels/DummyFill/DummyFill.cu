// Dummy weights made where they are used (contract, section 9; mirrors Grid.Numerics/DummyWeights).
//
//   value(i) = bf16((base + s) * 2^exponent), s = 2u - 65535, u = 16 bits of Philox4x32-10 at counter i div 8, by i mod 8
//   matrix:  packed[(r, k)] = value(start + r * width + k), zeros where k pads the width
//   vector:  target[i] = value(start + i)
//
// Shapes:  packed as in weight_tiles.cuh, rows mapped by first and group as PackWeights does; start is the flat index of the
//          first value in its tensor, 64 bits. Packed rows that nothing writes are cleared by the caller.
// Threads: matrix: one per piece of eight values, eight neighbours storing a row's 128 bytes of a chunk, and four rows of a warp
//          whole lines beside each other; where the width is a multiple of 8 a piece is one Philox block. Vector: one per value.
// Order:   every value by itself, one rounding: none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"
#include "weight_tiles.cuh"

struct DummyFillArguments {
  u16* target;
  u64 start;
  u32 rows;
  u32 width; // vector: values
  u32 first;
  u32 group;
  u32 key0;
  u32 key1;
  i32 base;
  float scale; // 2^exponent
  u32 packed_rows;
  u32 unused;
};

__device__ __forceinline__ PhiloxBlock dummy_block(const DummyFillArguments& a, u64 block) {
  return philox4x32(a.key0, a.key1, (u32)block, (u32)(block >> 32), 0, 0);
}

// The integer is below 2^24 and the scale a power of two: both exact, so that the conversion to bf16 is the only rounding.
__device__ __forceinline__ float dummy_float(const DummyFillArguments& a, u32 bits) {
  return __fmul_rn((float)(a.base + 2 * (i32)bits - 65535), a.scale);
}

__device__ __forceinline__ u32 dummy_pair(const DummyFillArguments& a, u32 word) {
  return floats_to_bf16x2(dummy_float(a, word & 0xFFFF), dummy_float(a, word >> 16));
}

__device__ __forceinline__ u16 dummy_value(const DummyFillArguments& a, u64 index) {
  PhiloxBlock block = dummy_block(a, index / 8);
  u32 low = index & 2 ? block.word1 : block.word0, high = index & 2 ? block.word3 : block.word2;
  u32 word = index & 4 ? high : low;
  return float_to_bf16(dummy_float(a, index & 1 ? word >> 16 : word & 0xFFFF));
}

// Values of k .. k + 7 of a row; zeros past the width.
__device__ __forceinline__ Bf16x8 dummy_eight(const DummyFillArguments& a, u32 row, u32 k) {
  u64 index = a.start + (u64)row * a.width + k;
  if (k >= a.width) return Bf16x8{};
  if (a.width % 8 == 0 && a.start % 8 == 0) {
    PhiloxBlock block = dummy_block(a, index / 8);
    return Bf16x8{{dummy_pair(a, block.word0), dummy_pair(a, block.word1), dummy_pair(a, block.word2), dummy_pair(a, block.word3)}};
  }
  Bf16x8 eight;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    u32 low = dummy_value(a, index + 2 * i);
    u32 high = dummy_value(a, index + 2 * i + 1);
    eight.pair[i] = (k + 2 * i < a.width ? low : 0) | (k + 2 * i + 1 < a.width ? high : 0) << 16;
  }
  return eight;
}

extern "C" __global__ void __launch_bounds__(256) dummy_fill_matrix(const __grid_constant__ DummyFillArguments a) {
  wait_for_previous_kernel();
  u32 chunks = packed_chunks(a.width);
  u64 index = (u64)blockIdx.x * blockDim.x + threadIdx.x, chunk_row = index / CHUNK_PIECES;
  u32 chunk = (u32)(chunk_row / a.rows), row = (u32)(chunk_row % a.rows), piece = chunk * CHUNK_PIECES + (u32)index % CHUNK_PIECES;
  if (chunk >= chunks) return;
  *(Bf16x8*)(a.target + packed_piece(packed_row(row, a.first, a.group), piece, a.packed_rows)) = dummy_eight(a, row, piece * 8);
}

extern "C" __global__ void __launch_bounds__(256) dummy_fill_vector(const __grid_constant__ DummyFillArguments a) {
  wait_for_previous_kernel();
  u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < a.width) a.target[i] = dummy_value(a, a.start + i);
}
