// The digest of a row of raw logits (contract, section 8; mirrors Grid.Numerics/LogitDigest), by a cluster of blocks that hold a
// slice of the row each.
//
//   S_j = sum over i of T_j(i div 128) * C_j(i mod 128) * x_i modulo 2^64, of both lanes j; the host mixes in the row's length
//
// Threads: a thread takes four consecutive tokens at a time, a block's tokens away from each other, which are always the same four
//          columns; so it adds up T * x by columns and multiplies by C once.
// Order:   none, for the sums are of integers.
#pragma once

#include "token_passes.cuh"

constexpr u32 DIGEST_TILE = 128;  // columns of a tile, here and in the contract, whatever the TILE of a pass
constexpr u32 DIGEST_MOST_TILES = (1u << 18) / BLOCKS / DIGEST_TILE + 2;  // that a slice touches: one begins and one ends in it

// Both lanes' keys, made once a block in the place of the bins.
struct DigestKeys {
  Pair columns[DIGEST_TILE];
  Pair tiles[DIGEST_MOST_TILES];
};

static_assert(sizeof(DigestKeys) <= PLANES * BINS * sizeof(u32), "the keys fit in the bins' place");
static_assert(THREADS * EACH % DIGEST_TILE == 0, "a thread's columns stay the same");

// Number k of SplitMix64 with seed 0.
__device__ __forceinline__ u64 digest_mix(u64 k) {
  u64 z = (k + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

__device__ __forceinline__ Pair digest_keys(u32 number) { return Pair{digest_mix(number) | 1, digest_mix(number + 1) | 1}; }

// Of all columns and the tiles first_tile, first_tile + 1, …, by all threads. A barrier belongs behind it.
__device__ __forceinline__ void make_digest_keys(DigestKeys& keys, u32 first_tile, u32 tiles) {
  for (u32 i = threadIdx.x; i < DIGEST_TILE + tiles; i += THREADS) {
    if (i < DIGEST_TILE) {
      keys.columns[i] = digest_keys(2 * i);
    } else {
      keys.tiles[i - DIGEST_TILE] = digest_keys(2 * DIGEST_TILE + 2 * (first_tile + i - DIGEST_TILE));
    }
  }
}

// A thread's part of both sums, of the slice's tokens as they are in shared memory.
__device__ __forceinline__ Pair digest_tokens(const float* slice, u32 first, u32 count, const DigestKeys& keys) {
  if (count == 0) return Pair{0, 0};
  u64 sums[EACH] = {}, others[EACH] = {};
  u32 first_tile = first / DIGEST_TILE;
#pragma unroll 2
  for (u32 at = threadIdx.x * EACH; at < count; at += THREADS * EACH) {
    float4 l = *(const float4*)(slice + at);
    Pair key = keys.tiles[(first + at) / DIGEST_TILE - first_tile];
    u32 x[EACH] = {bits_of(l.x), bits_of(l.y), bits_of(l.z), bits_of(l.w)};
#pragma unroll
    for (u32 k = 0; k < EACH; k++) {
      u32 bits = at + k < count ? x[k] : 0;  // Beyond the tokens there is something else.
      sums[k] += key.first * bits;
      others[k] += key.second * bits;
    }
  }
  Pair sum{0, 0};
  u32 column = (first + threadIdx.x * EACH) % DIGEST_TILE;
#pragma unroll
  for (u32 k = 0; k < EACH; k++) {
    Pair key = keys.columns[column + k];
    sum.first += key.first * sums[k];
    sum.second += key.second * others[k];
  }
  return sum;
}

// Of the whole row, to every thread. No token of the slice is adjusted yet, all threads see them, and nobody uses the bins; those are
// free again after it.
__device__ __forceinline__ Pair digest_row(Row& row) {
  Shared& shared = *row.shared;
  DigestKeys& keys = *(DigestKeys*)shared.bins;
  u32 first_tile = row.first / DIGEST_TILE;
  make_digest_keys(keys, first_tile, row.count == 0 ? 0 : (row.first + row.count - 1) / DIGEST_TILE - first_tile + 1);
  __syncthreads();
  Pair sum = digest_tokens(row.slice, row.first, row.count, keys);
  sum = Pair{warp_sum(sum.first), warp_sum(sum.second)};
  __syncthreads();  // Earlier readers of the pairs are done.
  if (threadIdx.x % 32 == 0) shared.warp_pairs[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = Pair{0, 0};
  for (u32 w = 0; w < WARPS; w++) sum = Pair{sum.first + shared.warp_pairs[w].first, sum.second + shared.warp_pairs[w].second};
  const Pair* given = exchange(row, sum);
  sum = Pair{0, 0};
  for (u32 r = 0; r < BLOCKS; r++) sum = Pair{sum.first + given[r].first, sum.second + given[r].second};
  return sum;
}
