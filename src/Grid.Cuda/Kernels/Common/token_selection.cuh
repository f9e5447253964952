// Sums over a row's tokens, the token at a point of their running sum, and selections by (logit descending, id ascending), by a
// cluster of blocks that hold a slice of the row each.
//
// Selections descend by histograms to one logit: first 2048 equal steps of the logit below the maximum, which spreads real logits
// evenly, then 11, 11 and 10 bits of its key. Ties are then counted off by id.
#pragma once

#include "cluster.cuh"
#include "numerics.cuh"
#include "token_weights.cuh"

constexpr u32 BLOCKS = 8;
constexpr u32 THREADS = 320;
constexpr u32 WARPS = THREADS / 32;
constexpr u32 TILE = 128;
constexpr u32 BINS = 2048;
constexpr u32 BINS_PER_BLOCK = BINS / BLOCKS;
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

struct Shared {
  u32 bins[PLANES][BINS];
  u64 warp_sums[WARPS];
  Pair warp_pairs[WARPS];
  Pair given[2][BLOCKS];
  Crossing crossing[2];
  u32 last_token[2];
  u32 listed;
  u32 unused;
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

// The tokens that a filter left: those before (key, token), and it.
struct Cut {
  u32 key, token;
};

__device__ __forceinline__ bool keeps(Cut cut, u32 key, u32 token) { return key < cut.key || (key == cut.key && token <= cut.token); }

// How logits are spread over the first level's bins: never decreasing as the logit falls, so any step gives the same result.
struct Spread {
  float max, step;
};

__device__ __forceinline__ u32 spread_bin(Spread spread, float l) {
  return (u32)fminf(__fmul_rn(__fsub_rn(spread.max, l), spread.step), (float)(BINS - 1));
}

__device__ __forceinline__ float finite_or_zero(float x) { return x > 0.0f && x < float_of(0x7F800000u) ? x : 0.0f; }

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

// Every block gives a pair, held by its first threads; all get all. Two buffers, because a block may be an exchange ahead.
__device__ __forceinline__ const Pair* exchange(Row& row, Pair mine) {
  row.turn ^= 1;
  if (threadIdx.x < BLOCKS) *in_block(&row.shared->given[row.turn][row.rank], threadIdx.x) = mine;
  cluster_sync();
  return row.shared->given[row.turn];
}

// ---- Passes over a slice ----------------------------------------------------------------------------------------------

// Calls visit(logit, token, is one) for every place of the warp's tiles, all lanes together, ids ascending along lanes.
template <typename Visit>
__device__ __forceinline__ void visit_tokens(const Row& row, Visit visit) {
  u32 run = run_of(row), warp = threadIdx.x / 32;
  u32 end = min(tiles_of(row), (warp + 1) * run);
  for (u32 tile = warp * run; tile < end; tile++) {
    u32 at = tile * TILE + threadIdx.x % 32 * 4;
    float4 l = *(const float4*)(row.slice + at);
    visit(l.x, row.first + at, at < row.count);
    visit(l.y, row.first + at + 1, at + 1 < row.count);
    visit(l.z, row.first + at + 2, at + 2 < row.count);
    visit(l.w, row.first + at + 3, at + 3 < row.count);
  }
}

// Sums of weigh(logit, token) over each warp's tokens, and, in the block's first threads, over the block's.
template <typename Weigh>
__device__ __forceinline__ u64 sum_tokens(const Row& row, Weigh weigh) {
  u64 sum = 0;
  visit_tokens(row, [&](float l, u32 token, bool is_one) { sum += is_one ? weigh(l, token) : 0; });
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
  u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (u32 w = 0; w < warp; w++) before += row.shared->warp_sums[w];
  if (point < before || point >= before + row.shared->warp_sums[warp]) return NO_TOKEN;
  for (u32 tile = warp * run_of(row);; tile++) {
    u32 at = tile * TILE + lane * 4;
    float4 l = *(const float4*)(row.slice + at);
    u64 a = at < row.count ? weigh(l.x, row.first + at) : 0;
    u64 b = at + 1 < row.count ? weigh(l.y, row.first + at + 1) : 0;
    u64 c = at + 2 < row.count ? weigh(l.z, row.first + at + 2) : 0;
    u64 d = at + 3 < row.count ? weigh(l.w, row.first + at + 3) : 0;
    u64 end = before + warp_running_sum(a + b + c + d);
    u64 start = end - (a + b + c + d);
    before = __shfl_sync(EVERY_LANE, end, 31);
    if (point < before) {
      if (point < start || point >= end) return NO_TOKEN;
      u32 passed = (point >= start + a) + (point >= start + a + b) + (point >= start + a + b + c);
      return row.first + at + passed;
    }
  }
}

__device__ __forceinline__ u64 sum_before(const Pair* given, u32 rank) {
  u64 sum = 0;
  for (u32 r = 0; r < rank; r++) sum += given[r].first;
  return sum;
}

// ---- Selection --------------------------------------------------------------------------------------------------------

// Adds to a bin; all lanes together, bin BINS for none. Lanes that agree add once.
template <bool Counts>
__device__ __forceinline__ void add_to_bin(Shared& shared, u32 bin, u64 weight) {
  if (__all_sync(EVERY_LANE, bin == __shfl_sync(EVERY_LANE, bin, 0))) {
    if (bin == BINS) return;
    weight = Counts ? 32 : warp_sum(weight);
    if (threadIdx.x % 32 != 0) return;
  }
  if (bin == BINS) return;
  if (Counts) {
    atomicAdd(&shared.bins[0][bin], (u32)weight);
  } else {
    // 2^15 tokens of at most 2^40, each part below 2^32: three 14-bit parts, the last with what a warp's sum adds.
    atomicAdd(&shared.bins[0][bin], (u32)weight & 0x3FFF);
    atomicAdd(&shared.bins[1][bin], (u32)(weight >> 14) & 0x3FFF);
    atomicAdd(&shared.bins[2][bin], (u32)(weight >> 28));
  }
}

// Adds up all blocks' bins, a share of them in each block, and tells everyone where the running sum from `before` reaches
// the target. target(total) is asked once all weights are known.
template <bool Counts, typename Target>
__device__ __forceinline__ Crossing find_crossing(Row& row, u64 before, Target target) {
  Shared& shared = *row.shared;
  u32 warp = threadIdx.x / 32, bin = row.rank * BINS_PER_BLOCK + threadIdx.x;
  cluster_sync();
  u64 weight = 0;
  if (threadIdx.x < BINS_PER_BLOCK) {
    for (u32 r = 0; r < BLOCKS; r++) {
      weight += *in_block(&shared.bins[0][bin], r);
      if (!Counts) {
        weight += (u64)*in_block(&shared.bins[1][bin], r) << 14;
        weight += (u64)*in_block(&shared.bins[2][bin], r) << 28;
      }
    }
  }
  u64 running = warp_running_sum(weight);
  if (threadIdx.x % 32 == 31) shared.warp_sums[warp] = running;
  __syncthreads();
  u64 share = 0;
  for (u32 w = 0; w < WARPS; w++) {
    running += w < warp ? shared.warp_sums[w] : 0;
    share += shared.warp_sums[w];
  }
  const Pair* given = exchange(row, Pair{share, 0});
  u64 end = target(sum_before(given, BLOCKS));
  running += before + sum_before(given, row.rank);
  if (threadIdx.x < BINS_PER_BLOCK && running - weight < end && end <= running) {
    for (u32 r = 0; r < BLOCKS; r++) *in_block(&shared.crossing[row.turn], r) = Crossing{running - weight, weight, bin};
  }
  cluster_sync();
  return shared.crossing[row.turn];
}

// Keeps tokens in their order until their weights reach target(total): the last one kept. weigh(logit, key, token) is the same for
// equal logits, but for tokens left out, which weigh 0 and come after all others of their logit.
template <bool Counts, typename Weigh, typename Target>
__device__ __forceinline__ Cut select(Row& row, Spread spread, Weigh weigh, Target target) {
  Shared& shared = *row.shared;
  u64 end = 0, before = 0, tied = 0;
  u32 first_bin = 0, key = 0, shift = 32;
#pragma unroll 1
  for (u32 level = 0; level < 4; level++) {
    u32 above = shift;
    shift = level == 0 ? 32 : level == 1 ? 21 : level == 2 ? 10 : 0;
    __syncthreads();
    for (u32 i = threadIdx.x; i < (Counts ? BINS : PLANES * BINS); i += THREADS) shared.bins[0][i] = 0;
    __syncthreads();
    visit_tokens(row, [&](float l, u32 token, bool is_one) {
      u32 k = token_key(l), bin = spread_bin(spread, l);
      u64 weight = 0;
      if (is_one && (level == 0 || (bin == first_bin && (level == 1 || k >> above == key)))) weight = weigh(l, k, token);
      bin = level == 0 ? bin : k >> shift & (level == 3 ? 0x3FF : 0x7FF);
      add_to_bin<Counts>(shared, weight > 0 ? bin : BINS, weight);
    });
    Crossing crossing = find_crossing<Counts>(row, before, [&](u64 total) {
      end = level == 0 ? target(total) : end;
      return end;
    });
    before = crossing.before;
    tied = crossing.weight;
    if (level == 0) first_bin = crossing.bin;
    if (level == 1) key = crossing.bin;
    if (level == 2) key = key << 11 | crossing.bin;
    if (level == 3) key = key << 10 | crossing.bin;
  }

  // All tokens of this logit, or those of the lowest ids?
  float last = key_logit(key);
  u64 each = weigh(last, key, 0);
  if (before + tied - each < end) return Cut{key, NO_TOKEN};
  auto tie = [&](float l, u32) { return token_key(l) == key ? each : 0; };
  u64 sum = sum_tokens(row, tie);
  const Pair* given = exchange(row, Pair{sum, 0});
  u32 token = find_token(row, before + sum_before(given, row.rank), end - 1, tie);
  if (token != NO_TOKEN) {
    for (u32 r = 0; r < BLOCKS; r++) *in_block(&shared.last_token[row.turn], r) = token;
  }
  cluster_sync();
  return Cut{key, shared.last_token[row.turn]};
}
