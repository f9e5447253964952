// Selections by (logit descending, id ascending), by a cluster of blocks that hold a slice of the row each.
//
// A histogram over 2048 equal steps of the logit below the maximum, which spreads real logits evenly, says in which step the
// selection ends. The tokens of that step are gathered and sorted in one block. Where there are too many, three more histograms
// descend to one logit by 11, 11 and 10 bits of its key, and its ties are counted off by id. Both ways give the same cut.
#pragma once

#include "token_passes.cuh"
#include "token_weights.cuh"

constexpr u32 BINS_PER_BLOCK = BINS / BLOCKS;
constexpr u32 LIST = 2048;  // keys, 8 bytes each, in the bins' place

__device__ __forceinline__ bool keeps(Cut cut, u32 key, u32 token) { return key < cut.key || (key == cut.key && token <= cut.token); }

// How logits are spread over the first bins: never decreasing as the logit falls, so any step gives the same result.
struct Spread {
  float max, step;
};

__device__ __forceinline__ u32 spread_bin(Spread spread, float l) {
  return (u32)fminf(__fmul_rn(__fsub_rn(spread.max, l), spread.step), (float)(BINS - 1));
}

__device__ __forceinline__ float finite_or_zero(float x) { return x > 0.0f && x < float_of(0x7F800000u) ? x : 0.0f; }

// ---- Histograms -------------------------------------------------------------------------------------------------------

template <bool Counts>
__device__ __forceinline__ void add_to_bin(Shared& shared, u32 bin, u64 weight) {
  if (Counts) {
    atomicAdd(&shared.bins[0][bin], (u32)weight);
  } else {
    // 2^15 tokens of at most 2^40 in three parts of 14 bits, the last with whatever a warp's sum adds: each bin stays below 2^32.
    atomicAdd(&shared.bins[0][bin], (u32)weight & 0x3FFF);
    atomicAdd(&shared.bins[1][bin], (u32)(weight >> 14) & 0x3FFF);
    atomicAdd(&shared.bins[2][bin], (u32)(weight >> 28));
  }
}

// Adds a lane's tokens to bins, all lanes together; bin BINS for none. A warp that agrees adds once.
template <bool Counts>
__device__ __forceinline__ void add_to_bins(Shared& shared, const u32 (&bins)[EACH], const u64 (&weights)[EACH]) {
  u32 one = __shfl_sync(EVERY_LANE, bins[0], 0);
  bool same = true;
#pragma unroll
  for (u32 k = 0; k < EACH; k++) same &= bins[k] == one;
  if (__all_sync(EVERY_LANE, same)) {
    if (one == BINS) return;
    u64 sum = TILE;
    if (!Counts) sum = warp_sum(weights[0] + weights[1] + weights[2] + weights[3]);
    if (threadIdx.x % 32 == 0) add_to_bin<Counts>(shared, one, sum);
    return;
  }
#pragma unroll
  for (u32 k = 0; k < EACH; k++) {
    if (bins[k] != BINS) add_to_bin<Counts>(shared, bins[k], weights[k]);
  }
}

template <bool Counts>
__device__ __forceinline__ void clear_bins(Shared& shared) {
  __syncthreads();
  for (u32 i = threadIdx.x; i < (Counts ? BINS : PLANES * BINS) / 4; i += THREADS) ((uint4*)shared.bins)[i] = uint4{0, 0, 0, 0};
  __syncthreads();
}

// Adds up all blocks' bins, a share of them in each block, and tells everyone where the running sum from `before` reaches
// the target. target(total) is asked once all weights are known.
template <bool Counts, typename Target>
__device__ __forceinline__ Crossing find_crossing(Row& row, u64 before, Target target) {
  Shared& shared = *row.shared;
  u32 bin = row.rank * BINS_PER_BLOCK + threadIdx.x;
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
  u64 share;
  u64 running = block_running_sum(shared, weight, share);
  const Pair* given = exchange(row, Pair{share, 0});
  u64 end = target(sum_before(given, BLOCKS));
  running += before + sum_before(given, row.rank);
  if (threadIdx.x < BINS_PER_BLOCK && running - weight < end && end <= running) {
    for (u32 r = 0; r < BLOCKS; r++) *in_block(&shared.crossing, r) = Crossing{running - weight, weight, bin};
  }
  cluster_sync();
  return shared.crossing;
}

// ---- The end of a selection -------------------------------------------------------------------------------------------

// Sorts the keys of block 0's list, at most LIST.
__device__ __forceinline__ void sort_list(u64* list, u32 count) {
  u32 places = 2;
  while (places < count) places *= 2;
  for (u32 i = count + threadIdx.x; i < places; i += THREADS) list[i] = ~(u64)0;
  __syncthreads();
  for (u32 size = 2; size <= places; size *= 2) {
    for (u32 distance = size / 2; distance > 0; distance /= 2) {
      for (u32 i = threadIdx.x; i < places / 2; i += THREADS) {
        u32 low = 2 * i - (i & (distance - 1));
        u64 a = list[low], b = list[low + distance];
        if ((a > b) == ((low & size) == 0)) {
          list[low] = b;
          list[low + distance] = a;
        }
      }
      __syncthreads();
    }
  }
}

// Gathers the tokens of a bin in block 0, which sorts them and adds up to the end. False when they do not fit.
template <typename Weigh>
__device__ __forceinline__ bool cut_by_list(Row& row, Spread spread, u32 bin, u64 before, u64 end, Weigh weigh) {
  Shared& shared = *row.shared;
  u64* list = (u64*)shared.bins;
  u32 place = 0;
  visit_tokens(row, [&](const Four& four) {
#pragma unroll
    for (u32 k = 0; k < EACH; k++) {
      if (place < LIST && k < four.count && spread_bin(spread, four.l[k]) == bin) {
        u32 key = token_key(four.l[k]);
        if (weigh(four.l[k], key, four.token + k) > 0) {
          place = atomicAdd(in_block(&shared.listed, 0), 1);
          if (place < LIST) *in_block(list + place, 0) = (u64)key << 32 | (four.token + k);
        }
      }
    }
  });
  cluster_sync();
  u32 count = *in_block(&shared.listed, 0);
  if (count > LIST) return false;
  if (row.rank == 0) {
    sort_list(list, count);
    u32 run = (count + THREADS - 1) / THREADS;
    u32 first = min(threadIdx.x * run, count), last = min(first + run, count);
    u64 sum = 0, total;
    for (u32 i = first; i < last; i++) sum += weigh(key_logit((u32)(list[i] >> 32)), (u32)(list[i] >> 32), (u32)list[i]);
    u64 running = before + block_running_sum(shared, sum, total) - sum;
    for (u32 i = first; i < last; i++) {
      u32 key = (u32)(list[i] >> 32), token = (u32)list[i];
      u64 weight = weigh(key_logit(key), key, token);
      if (running < end && end <= running + weight) {
        for (u32 r = 0; r < BLOCKS; r++) *in_block(&shared.cut, r) = Cut{key, token};
      }
      running += weight;
    }
  }
  cluster_sync();
  return true;
}

// Descends to one logit within a bin, and to one token among its ties.
template <bool Counts, typename Weigh>
__device__ __forceinline__ Cut cut_by_levels(Row& row, Spread spread, Crossing crossing, u64 end, Weigh weigh) {
  u32 first_bin = crossing.bin, key = 0, above = 32;
#pragma unroll 1
  for (u32 level = 0; level < 3; level++) {
    u32 shift = level == 0 ? 21 : level == 1 ? 10 : 0, bits = level == 2 ? 10 : 11;
    clear_bins<Counts>(*row.shared);
    visit_tokens(row, [&](const Four& four) {
      u32 bins[EACH];
      u64 weights[EACH];
#pragma unroll
      for (u32 k = 0; k < EACH; k++) {
        u32 mine = token_key(four.l[k]);
        bool inside = k < four.count && spread_bin(spread, four.l[k]) == first_bin && (level == 0 || mine >> above == key);
        weights[k] = inside ? weigh(four.l[k], mine, four.token + k) : 0;
        bins[k] = weights[k] > 0 ? mine >> shift & ((1u << bits) - 1) : BINS;
      }
      add_to_bins<Counts>(*row.shared, bins, weights);
    });
    crossing = find_crossing<Counts>(row, crossing.before, [&](u64) { return end; });
    key = key << bits | crossing.bin;
    above = shift;
  }

  // All tokens of this logit, or those of the lowest ids?
  u64 each = weigh(key_logit(key), key, 0);
  if (crossing.before + crossing.weight - each < end) return Cut{key, NO_TOKEN};
  u32 last = row.first + row.count;
  auto tie = [&](float l, u32 token) { return token_key(l) == key && token < last ? each : 0; };
  u64 sum = sum_tokens(row, tie);
  const Pair* given = exchange(row, Pair{sum, 0});
  u32 token = find_token(row, crossing.before + sum_before(given, row.rank), end - 1, tie);
  if (token != NO_TOKEN) {
    for (u32 r = 0; r < BLOCKS; r++) *in_block(&row.shared->cut, r) = Cut{key, token};
  }
  cluster_sync();
  return row.shared->cut;
}

// Keeps tokens in their order until their weights reach target(total): the last one kept. weigh(logit, key, token) is the same for
// equal logits, but for tokens left out, which weigh 0 and come after all others of their logit. Counts: tokens weigh 1.
template <bool Counts, typename Weigh, typename Target>
__device__ __forceinline__ Cut select(Row& row, Spread spread, Weigh weigh, Target target) {
  Shared& shared = *row.shared;
  if (threadIdx.x == 0) shared.listed = 0;
  clear_bins<Counts>(shared);
  visit_tokens(row, [&](const Four& four) {
    u32 bins[EACH];
    u64 weights[EACH];
#pragma unroll
    for (u32 k = 0; k < EACH; k++) {
      weights[k] = k < four.count ? weigh(four.l[k], token_key(four.l[k]), four.token + k) : 0;
      bins[k] = weights[k] > 0 ? spread_bin(spread, four.l[k]) : BINS;
    }
    add_to_bins<Counts>(shared, bins, weights);
  });
  u64 end = 0;
  Crossing crossing = find_crossing<Counts>(row, 0, [&](u64 total) { return end = target(total); });
  bool may_fit = !Counts || crossing.weight <= LIST;
  if (may_fit && cut_by_list(row, spread, crossing.bin, crossing.before, end, weigh)) return shared.cut;
  return cut_by_levels<Counts>(row, spread, crossing, end, weigh);
}
