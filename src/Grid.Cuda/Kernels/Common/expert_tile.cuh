// A tile of an expert's product: one block computes WARPGROUPS * 64 weight rows (wgmma's M) times TOKENS tokens (its N), one chain
// of k per element, and one epilogue. The kernel says which tiles and which rows a block takes (Block, TokenRows) and where each
// token's outputs go. Tokens are gathered row by row, which tensor copies cannot do: that is why Product.cu is another text.
//
// Threads:  consumer warpgroups own 64 weight rows each; four producer warps fill a ring of STAGES stages of CHUNKS * 64 k: weights
//           by bulk copies, as they lie (weight_tiles.cuh), tokens by 16-byte copies that swizzle row-major rows. Results turn around in shared memory, so that a
//           token's 64 outputs are one stretch.
// Order:    one chain per output element, k ascending in steps of 16, from +0. Past the width tokens are zeros, which change
//           nothing: also against the last chunk, which stands in where a stage has more chunks than are left.
// May vary: TOKENS, WARPGROUPS, CHUNKS, STAGES (definitions of the build), which rows share a tile.
#pragma once

#include "launch.cuh"
#include "numerics.cuh"
#include "product_results.cuh"
#include "ptx.cuh"
#include "weight_tiles.cuh"
#include "wgmma.cuh"

constexpr u32 ROWS = 64;       // weight rows of a tile
constexpr u32 CHUNK = 64;      // k of a chunk
constexpr u32 STEP = 16;       // k of a wgmma
constexpr u32 STEPS = CHUNK / STEP;
constexpr u32 PIECE = 8;       // bf16 in 16 bytes
constexpr u32 CHUNK_BYTES = ROWS * CHUNK * 2;
constexpr u32 CONSUMERS = WARPGROUPS * 128;
constexpr u32 PRODUCERS = 128;
constexpr u32 STAGE_K = CHUNKS * CHUNK;
constexpr u32 WEIGHT_BYTES = CHUNKS * CHUNK_BYTES; // of one warpgroup's stage
constexpr u32 TOKEN_CHUNK_BYTES = TOKENS * CHUNK * 2;
constexpr u32 TOKEN_BYTES = CHUNKS * TOKEN_CHUNK_BYTES;
constexpr u32 STAGE_BYTES = WARPGROUPS * WEIGHT_BYTES + TOKEN_BYTES;
constexpr u32 QUADS = TOKENS / 4;         // groups of four tokens, one warp's copy
constexpr u32 UNITS = QUADS * CHUNKS;     // such copies of a stage
constexpr u32 ROWS_PER_THREAD = QUADS < 4 ? 1 : QUADS / 4;
constexpr u32 LAG = STAGES / 2; // stages whose tokens may be under way before the producers wait for the oldest
constexpr u32 TURN_STRIDE = ROWS + 4;
constexpr u32 TURN_BYTES = TOKENS * TURN_STRIDE * 4;
constexpr u32 RING_BYTES = STAGES * STAGE_BYTES;
static_assert(WARPGROUPS * TURN_BYTES <= RING_BYTES, "results turn around where the ring was");
static_assert(RING_BYTES + STAGES * 16 == SHARED_BYTES, "shared memory");

constexpr u32 CONSUMERS_ONLY = 1; // named barrier

// What a block computes, and where its ring lies.
struct Block {
  const char* packed; // the rows that are taken, first chunk
  u32 packed_rows;    // of the whole matrix in memory
  u32 weight_tiles;   // of 64 rows, taken
  u32 weights;      // this block's first
  u32 width;
  u32 chunks;
  u32 stages;
  u32 ring;
  u32 full;
  u32 empty;
};

__device__ __forceinline__ Block block_over(const char* packed, u32 packed_rows, u32 weight_tiles, u32 weights, u32 width, u32 ring) {
  Block b;
  b.packed = packed;
  b.packed_rows = packed_rows;
  b.weight_tiles = weight_tiles;
  b.weights = weights;
  b.width = width;
  b.chunks = (width + CHUNK - 1) / CHUNK;
  b.stages = (b.chunks + CHUNKS - 1) / CHUNKS;
  b.ring = ring;
  b.full = ring + RING_BYTES;
  b.empty = b.full + STAGES * 8;
  return b;
}

// By the block's first thread; a barrier of the whole block follows.
__device__ __forceinline__ void init_ring(u32 ring) {
  u32 full = ring + RING_BYTES, empty = full + STAGES * 8;
  for (u32 i = 0; i < STAGES; i++) {
    barrier_init(full + i * 8, 1 + PRODUCERS / 32); // the weights' thread, and every producer warp
    barrier_init(empty + i * 8, CONSUMERS / 32);
  }
  barrier_init_fence();
}

// ---- Producers -------------------------------------------------------------------------------------------------------

__device__ __forceinline__ void load_weights(const Block& b, u32 stage) {
  u32 slot = stage % STAGES, full = b.full + slot * 8, first = stage * CHUNKS;
  barrier_arrive_expect(full, WARPGROUPS * WEIGHT_BYTES);
#pragma unroll
  for (u32 group = 0; group < WARPGROUPS; group++) {
    u32 tile = min(b.weights + group, b.weight_tiles - 1);
    const char* source = b.packed + (u64)tile * CHUNK_BYTES;
    u32 to = b.ring + slot * STAGE_BYTES + group * WEIGHT_BYTES;
#pragma unroll
    for (u32 c = 0; c < CHUNKS; c++) {
      u32 chunk = min(first + c, b.chunks - 1);
      bulk_load(to + c * CHUNK_BYTES, source + (u64)chunk * b.packed_rows * WEIGHT_ROW_BYTES, CHUNK_BYTES, full);
    }
  }
}

// This thread's rows of the token tile: where each begins, and which are there.
struct TokenRows {
  const u16* start[ROWS_PER_THREAD];
  u32 present;
};

// A warp copies four rows of a chunk at a time, eight lanes a row.
__device__ __forceinline__ u32 row_in_tile(u32 thread, u32 i) { return (i * 4 + thread / 32) % QUADS * 4 + thread / 8 % 4; }

// Rows of 64 k in a chunk, swizzled: eight lanes copy a row's 128 bytes into one line of shared memory, so that neither side
// has conflicts. (Core matrices without swizzle spread a row over places in the same banks: up to 1.8 times as long, measured.)
__device__ __forceinline__ void load_tokens(const Block& b, u32 stage, const TokenRows& rows, u32 thread) {
  static_assert(UNITS % 4 == 0, "every producer warp copies as much");
  u32 to = b.ring + stage % STAGES * STAGE_BYTES + WARPGROUPS * WEIGHT_BYTES;
  u32 piece = thread % 8;
#pragma unroll
  for (u32 i = 0; i < UNITS / 4; i++) {
    u32 chunk = (i * 4 + thread / 32) / QUADS;
    u32 k = stage * STAGE_K + chunk * CHUNK + piece * PIECE;
    bool zeros = k >= b.width || (rows.present >> i % ROWS_PER_THREAD & 1) == 0;
    const u16* source = rows.start[i % ROWS_PER_THREAD] + (zeros ? 0 : k);
    copy_16(to + chunk * TOKEN_CHUNK_BYTES + swizzled(row_in_tile(thread, i), piece), source, zeros);
  }
}

// The oldest stage's tokens, written by this warp's lanes, may be read by the tensor cores.
__device__ __forceinline__ void publish_tokens(const Block& b, u32 stage) {
  fence_async_proxy();
  __syncwarp();
  if (threadIdx.x % 32 == 0) barrier_arrive(b.full + stage % STAGES * 8);
}

// Fills the ring for the first time with weights, which are nobody's output: before the wait for the kernel before, where the
// block knows them already.
__device__ __forceinline__ void begin_weights(const Block& b, u32 thread) {
  if (thread == 0) {
    for (u32 i = 0; i < min((u32)STAGES, b.stages); i++) load_weights(b, i);
  }
  __syncwarp();
}

// Everything else.
__device__ __forceinline__ void produce(const Block& b, const TokenRows& rows, u32 thread) {
  for (u32 i = 0; i < b.stages; i++) {
    if (i >= STAGES) {
      barrier_wait(b.empty + i % STAGES * 8, (i / STAGES - 1) & 1);
      if (thread == 0) load_weights(b, i);
      __syncwarp();
    }
    load_tokens(b, i, rows, thread);
    copy_commit();
    if (i >= LAG) {
      copy_wait<LAG>();
      publish_tokens(b, i - LAG);
    }
  }
  copy_wait<0>();
  for (u32 i = b.stages > LAG ? b.stages - LAG : 0; i < b.stages; i++) publish_tokens(b, i);
}

// ---- Consumers -------------------------------------------------------------------------------------------------------

// The chains of 64 weight rows and TOKENS tokens.
__device__ __forceinline__ void multiply(float (&d)[TOKENS / 2], const Block& b, u32 warpgroup) {
#pragma unroll
  for (u32 i = 0; i < TOKENS / 2; i++) d[i] = 0.0f;
  for (u32 i = 0; i < b.stages; i++) {
    u32 slot = i % STAGES;
    u32 weights = b.ring + slot * STAGE_BYTES + warpgroup * WEIGHT_BYTES;
    u32 tokens = b.ring + slot * STAGE_BYTES + WARPGROUPS * WEIGHT_BYTES;
    barrier_wait(b.full + slot * 8, i / STAGES & 1);
    wgmma_fence();
#pragma unroll
    for (u32 step = 0; step < STAGE_K / STEP; step++) {
      u32 of_tokens = tokens + step / STEPS * TOKEN_CHUNK_BYTES + step % STEPS * (STEP * 2);
      u32 of_weights = weights + step / STEPS * CHUNK_BYTES + step % STEPS * (STEP * 2);
      wgmma_ss(d, operand_swizzled(of_weights), operand_swizzled(of_tokens), 1);
    }
    wgmma_commit();
    wgmma_wait<1>();
    if (i > 0 && threadIdx.x % 32 == 0) barrier_arrive(b.empty + (i - 1) % STAGES * 8);
  }
  wgmma_wait<0>();
}

// A warpgroup's results as [token][row], in its part of the shared memory that was the ring.
__device__ __forceinline__ const float* multiply_and_turn(const Block& b, char* memory, u32 warpgroup, u32 thread) {
  float d[TOKENS / 2];
  multiply(d, b, warpgroup);

  // Every consumer has read the last stage, so nothing of the ring is under way.
  warps_sync(CONSUMERS_ONLY, CONSUMERS);
  float* turned = (float*)(memory + warpgroup * TURN_BYTES);
  u32 row = thread / 32 * 16 + thread % 32 / 4, token = thread % 4 * 2;
#pragma unroll
  for (u32 j = 0; j < TOKENS / 8; j++) {
    float* to = turned + (j * 8 + token) * TURN_STRIDE + row;
    to[0] = d[4 * j];
    to[TURN_STRIDE] = d[4 * j + 1];
    to[8] = d[4 * j + 2];
    to[TURN_STRIDE + 8] = d[4 * j + 3];
  }
  warps_sync(CONSUMERS_ONLY, CONSUMERS);
  return turned;
}

// ---- Epilogues, of eight neighbouring outputs of a token -------------------------------------------------------------

__device__ __forceinline__ void eight_from(const float* turned, float (&v)[8]) {
  float4 low = ((const float4*)turned)[0], high = ((const float4*)turned)[1];
  v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
  v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

__device__ __forceinline__ void store_bf16(const float (&v)[8], u16* to, u32 count, bool whole) {
  if (whole) {
    Bf16x8 y;
#pragma unroll
    for (u32 i = 0; i < 4; i++) y.pair[i] = floats_to_bf16x2(v[2 * i], v[2 * i + 1]);
    *(Bf16x8*)to = y;
  } else {
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
      if (i < count) to[i] = float_to_bf16(v[i]);
    }
  }
}

__device__ __forceinline__ void store_float(const float (&v)[8], float* to, u32 count, bool whole) {
  if (whole) {
    ((float4*)to)[0] = make_float4(v[0], v[1], v[2], v[3]);
    ((float4*)to)[1] = make_float4(v[4], v[5], v[6], v[7]);
  } else {
#pragma unroll
    for (u32 i = 0; i < 8; i++) {
      if (i < count) to[i] = v[i];
    }
  }
}

// Where a tile's results go.
struct Target {
  void* output; // rows of outputs elements, fp32 for RAW, bf16 for GATED_SILU
  u32 outputs;
  u32 epilogue;
};

// One tile's results, [token][row] in shared memory; row_of(token) is the output's row, or NO_ROW.
constexpr u32 NO_ROW = 0xFFFFFFFFu;

template <typename RowOf>
__device__ __forceinline__ void finish_turned(const Target& a, const float* turned, u32 tile, u32 thread, RowOf row_of) {
  bool gated = a.epilogue == GATED_SILU;
  u32 groups = gated ? ROWS / 16 : ROWS / 8;
  bool aligned = a.outputs % 8 == 0;
  for (u32 i = thread; i < TOKENS * groups; i += 128) {
    u32 token = i / groups, group = i % groups;
    u32 column = (tile * groups + group) * 8;
    u32 row = row_of(token);
    if (row == NO_ROW || column >= a.outputs) continue;
    u32 count = a.outputs - column;
    bool whole = aligned && count >= 8;
    u64 at = (u64)row * a.outputs + column;
    float v[8];
    if (gated) {
      float up[8];
      eight_from(turned + token * TURN_STRIDE + group * 16, v);
      eight_from(turned + token * TURN_STRIDE + group * 16 + 8, up);
#pragma unroll
      for (u32 j = 0; j < 8; j++) v[j] = __fmul_rn(grid_silu(v[j]), up[j]);
    } else {
      eight_from(turned + token * TURN_STRIDE + group * 8, v);
    }
    if (a.epilogue == RAW) {
      store_float(v, (float*)a.output + at, count, whole);
      continue;
    }
    store_bf16(v, (u16*)a.output + at, count, whole);
  }
}
