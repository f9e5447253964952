// Sums over a row's tokens, and the token at a point of their running sum, by a cluster of blocks that hold a slice of the row
// each. Integers only: no order, except that ids ascend from block to block, warp to warp, tile to tile and lane to lane.
#pragma once

#include "cluster.cuh"
#include "numerics.cuh"

constexpr u32 BLOCKS = 8;
constexpr u32 THREADS = 320;
constexpr u32 WARPS = THREADS / 32;
constexpr u32 EACH = 4;  // tokens of a lane in a tile
constexpr u32 TILE = 32 * EACH;
constexpr u32 BINS = 2048;
constexpr u32 PLANES = 3;
constexpr u32 EVERY_LANE = 0xFFFFFFFFu;
constexpr u32 NO_TOKEN = 0xFFFFFFFFu;

struct Pair {
  u64 first, second;
};

// Where a selection ends: the bin, and the weight before it and in it.
struct Crossing {
  u64 before, weight;
  u32 bin;
};

// The tokens that a filter left: those before (key, token), and it.
struct Cut {
  u32 key, token;
};

struct Shared {
  u32 bins[PLANES][BINS];  // also lists of keys
  u64 warp_sums[WARPS];
  Pair warp_pairs[WARPS];
  Pair given[2][BLOCKS];
  Crossing crossing;
  Cut cut;
  u32 listed;
  u32 top_listed;
};

// What every thread of a row's cluster knows.
struct Row {
  Shared* shared;
  float* slice;  // [count, rounded up to TILE]: this block's tokens, then -infinity
  u32 rank, first, count, turn;
};

__device__ __forceinline__ u32 tiles_of(const Row& row) { return (row.count + TILE - 1) / TILE; }

// Tiles of a warp.
__device__ __forceinline__ u32 run_of(const Row& row) { return (row.count + TILE * WARPS - 1) / (TILE * WARPS); }

// ---- Exchange within a block and a cluster ----------------------------------------------------------------------------

__device__ __forceinline__ u64 warp_sum(u64 x) {
#pragma unroll
  for (u32 distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(EVERY_LANE, x, distance);
  return x;
}

__device__ __forceinline__ u64 warp_running_sum(u64 x) {
  u32 lane = threadIdx.x % 32;
#pragma unroll
  for (u32 distance = 1; distance < 32; distance *= 2) {
    u64 below = __shfl_up_sync(EVERY_LANE, x, distance);
    x += lane >= distance ? below : 0;
  }
  return x;
}

// The running sum over the block's threads, and in total all of it. The warps' sums are free before, and again after a barrier.
__device__ __forceinline__ u64 block_running_sum(Shared& shared, u64 x, u64& total) {
  u32 warp = threadIdx.x / 32;
  x = warp_running_sum(x);
  if (threadIdx.x % 32 == 31) shared.warp_sums[warp] = x;
  __syncthreads();
  total = 0;
  for (u32 w = 0; w < WARPS; w++) {
    x += w < warp ? shared.warp_sums[w] : 0;
    total += shared.warp_sums[w];
  }
  return x;
}

// Every block gives a pair, held by its first threads; all get all. Two buffers, because a block may be an exchange ahead.
__device__ __forceinline__ const Pair* exchange(Row& row, Pair mine) {
  row.turn ^= 1;
  if (threadIdx.x < BLOCKS) *in_block(&row.shared->given[row.turn][row.rank], threadIdx.x) = mine;
  cluster_sync();
  return row.shared->given[row.turn];
}

// What the blocks before this one gave; rank BLOCKS: all.
__device__ __forceinline__ u64 sum_before(const Pair* given, u32 rank) {
  u64 sum = 0;
  for (u32 r = 0; r < rank; r++) sum += given[r].first;
  return sum;
}

// ---- Passes over a slice ----------------------------------------------------------------------------------------------

// A lane's tokens of a tile: logits, first id, and how many there are; those beyond are -infinity.
struct Four {
  float l[EACH];
  u32 token, count;
};

__device__ __forceinline__ Four four_of(const Row& row, u32 tile) {
  u32 at = tile * TILE + threadIdx.x % 32 * EACH;
  float4 l = *(const float4*)(row.slice + at);
  return Four{{l.x, l.y, l.z, l.w}, row.first + at, at < row.count ? min(row.count - at, EACH) : 0};
}

// Calls visit for the warp's tiles, all lanes together.
template <typename Visit>
__device__ __forceinline__ void visit_tokens(const Row& row, Visit visit) {
  u32 run = run_of(row), warp = threadIdx.x / 32;
  u32 end = min(tiles_of(row), (warp + 1) * run);
#pragma unroll 1
  for (u32 tile = warp * run; tile < end; tile++) visit(four_of(row, tile));
}

// Sums of weigh(logit, token) over each warp's tokens, and, in the block's first threads, over the block's. What lies beyond the
// tokens, -infinity, weighs nothing.
template <typename Weigh>
__device__ __forceinline__ u64 sum_tokens(const Row& row, Weigh weigh) {
  u64 sum = 0;
  visit_tokens(row, [&](const Four& four) {
#pragma unroll
    for (u32 k = 0; k < EACH; k++) sum += weigh(four.l[k], four.token + k);
  });
  sum = warp_sum(sum);
  __syncthreads();  // Earlier readers of the sums are done.
  if (threadIdx.x % 32 == 0) row.shared->warp_sums[threadIdx.x / 32] = sum;
  __syncthreads();
  u64 total = 0;
  if (threadIdx.x < BLOCKS) {
    for (u32 warp = 0; warp < WARPS; warp++) total += row.shared->warp_sums[warp];
  }
  return total;
}

// The token of this warp's run at which the running sum, ids ascending, first exceeds the point; in one lane of one warp of the
// cluster. `before` is what the blocks before weigh; the warps' sums are those of the same weights.
template <typename Weigh>
__device__ __forceinline__ u32 find_token(const Row& row, u64 before, u64 point, Weigh weigh) {
  u32 warp = threadIdx.x / 32;
  for (u32 w = 0; w < warp; w++) before += row.shared->warp_sums[w];
  if (point < before || point >= before + row.shared->warp_sums[warp]) return NO_TOKEN;
#pragma unroll 1
  for (u32 tile = warp * run_of(row);; tile++) {
    Four four = four_of(row, tile);
    u64 running[EACH];
#pragma unroll
    for (u32 k = 0; k < EACH; k++) running[k] = (k > 0 ? running[k - 1] : 0) + weigh(four.l[k], four.token + k);
    u64 end = before + warp_running_sum(running[EACH - 1]);
    u64 start = end - running[EACH - 1];
    before = __shfl_sync(EVERY_LANE, end, 31);
    if (point < before) {
      if (point < start || point >= end) return NO_TOKEN;
      u32 passed = 0;
#pragma unroll
      for (u32 k = 0; k + 1 < EACH; k++) passed += point >= start + running[k];
      return four.token + passed;
    }
  }
}
