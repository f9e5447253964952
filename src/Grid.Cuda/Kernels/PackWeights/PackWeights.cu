// Weights, row-major as checkpoints hold them, into the tiles that the matrix kernels fetch: once, when a model is loaded.
//
//   Tiles:   [rows / 64][K / 64][k / 16][8x8 core matrices of 64 x 16]; K is padded with zeros to a multiple of 64. One 64x64
//            chunk is 8 KiB in a row, in wgmma's own shared-memory image without swizzle, so that one bulk copy fetches any
//            number of consecutive chunks of a tile. Inside a k16 step the core matrix of rows 8g..8g+7 and k half h lies at
//            (2g + h) * 128 bytes, its rows 16 bytes apart.
//   Rows:    row r of the source becomes row first + (r / 8) * group + r % 8 of the tiles. group = 8 stacks matrices (q, k and
//            v); group = 16 interleaves two in groups of eight rows (gate with first = 0, up with first = 8), so that one
//            thread of a wgmma holds a gate and its up.
//
// Shapes:  source [rows, K] bf16, tiles as above, cleared by the caller where no row is written.
// Threads: one per 16 bytes of the padded source row, eight neighbours reading 128 bytes in a row.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"

struct PackWeightsArguments {
  const u16* source;
  u16* tiles;
  u32 rows;
  u32 width;
  u32 first;
  u32 group;
};

constexpr u32 CHUNK = 64;
constexpr u32 CHUNK_ELEMENTS = CHUNK * CHUNK;

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
  u32 chunks = (a.width + CHUNK - 1) / CHUNK;
  u32 pieces = chunks * (CHUNK / 8);
  u64 index = (u64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= (u64)a.rows * pieces) return;
  u32 row = (u32)(index / pieces), piece = (u32)(index % pieces);
  u32 placed = a.first + row / 8 * a.group + row % 8;
  u32 tile = placed / CHUNK, in_tile = placed % CHUNK;
  u32 chunk = piece / 8, step = piece % 8 / 2, half = piece % 2;
  u64 to = ((u64)tile * chunks + chunk) * CHUNK_ELEMENTS + step * (CHUNK * 16) + (in_tile / 8 * 2 + half) * 64 + in_tile % 8 * 8;
  *(Bf16x8*)(a.tiles + to) = eight_of(a.source + (u64)row * a.width, piece * 8, a.width);
}
