// Weights, row-major as checkpoints hold them, as the matrix kernels fetch them: once, when a model is loaded.
//
//   packed[(r, k)] = source[r][k]; where that is says weight_tiles.cuh.
//
// Shapes:  source [rows, K] bf16; packed cleared by the caller where no row is written.
// Threads: one per 16 bytes of the padded source row, eight neighbours reading and writing 128 bytes in a row.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"
#include "weight_tiles.cuh"

struct PackWeightsArguments {
  const u16* source;
  u16* packed;
  u32 rows;
  u32 width;
  u32 first;
  u32 group;
  u32 packed_rows;
  u32 unused;
};

__device__ __forceinline__ Bf16x8 eight_of(const u16* row, u32 k, u32 width) {
  if (width % 8 == 0 && k < width) return *(const Bf16x8*)(row + k);
  Bf16x8 eight;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    u32 low = k + 2 * i < width ? row[k + 2 * i] : 0;
    u32 high = k + 2 * i + 1 < width ? row[k + 2 * i + 1] : 0;
    eight.pair[i] = low | (high << 16);
  }
  return eight;
}

extern "C" __global__ void __launch_bounds__(256) pack_weights(const __grid_constant__ PackWeightsArguments a) {
  wait_for_previous_kernel();
  u32 pieces = packed_chunks(a.width) * CHUNK_PIECES;
  u64 index = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= (u64)a.rows * pieces) return;
  u32 row = (u32)(index / pieces), piece = (u32)(index % pieces);
  u64 to = packed_piece(packed_row(row, a.first, a.group), piece, a.packed_rows);
  *(Bf16x8*)(a.packed + to) = eight_of(a.source + (u64)row * a.width, piece * 8, a.width);
}
