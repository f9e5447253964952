// Section 5 of the contract: the fixed tree over one row of n elements, mirrored from Grid.Numerics/RowReduction. This file is
// the only place in the kernels that knows the tree.
//
// L lanes, the smallest power of two with 8L >= n, at most 256. Lane i takes elements 8i .. 8i+7 ascending, then those 8L
// further, and so on; lanes then combine by halving: s[i] = s[i] + s[i + h] for h = L/2, ..., 1.
//
// One block reduces one row; thread i is lane i. A block has max(L, 32) threads; threads past L only take part in barriers.
#pragma once
#include "numerics.cuh"

constexpr u32 ROW_STEP = 8;
constexpr u32 ROW_MAX_LANES = 256;

// Shared memory that row_combine works in.
struct RowScratch {
  float sums[ROW_MAX_LANES / 2];
};

// The sum of all lanes, given to every thread of the block. Call it from all of them.
__device__ __forceinline__ float row_combine(float sum, u32 lanes, RowScratch& scratch) {
  u32 lane = threadIdx.x;
  u32 half = lanes / 2;
  for (; half >= 32; half /= 2) {
    if (lane >= half && lane < 2 * half) scratch.sums[lane - half] = sum;
    __syncthreads();
    if (lane < half) sum = __fadd_rn(sum, scratch.sums[lane]);
    __syncthreads();
  }
  if (lane < 32) {
    // Lanes from `half` on add what no lower lane asks for any more.
    for (; half > 0; half /= 2) sum = __fadd_rn(sum, __shfl_down_sync(0xFFFFFFFFu, sum, half));
  }
  if (lane == 0) scratch.sums[0] = sum;
  __syncthreads();
  return scratch.sums[0];
}

// A lane's step of a sum of squares.
__device__ __forceinline__ float row_add_square(float sum, float x) { return __fmaf_rn(x, x, sum); }

// ---- Short rows: several in a warp -----------------------------------------------------------------------------------
//
// Rows of N <= 256 elements, N a multiple of 16, each held by row_threads<N>() neighbouring threads: thread t < N / 16 holds
// lane t's eight elements and those of lane t + N / 16, half a row further. Threads past N / 16 hold none.

template <u32 N>
__device__ constexpr u32 row_threads() {
  static_assert(N % 16 == 0 && N <= ROW_MAX_LANES, "short rows");
  u32 threads = 1;
  while (threads * 16 < N) threads *= 2;
  return threads;
}

// The sum of all lanes, given to every thread of the row. low, high: this thread's two lanes, +0 where there is none. Call it from
// the whole warp. An exchange instead of a shift changes no bit: a + b = b + a.
template <u32 N>
__device__ __forceinline__ float row_combine_short(float low, float high) {
  constexpr u32 Threads = row_threads<N>(), Held = N / 16; // the tree has 2 * Threads lanes
  float sum;
  if constexpr (Held == Threads) {
    sum = __fadd_rn(low, high);
  } else {
    // Lane t is at hand, or the other lane of thread t - Held; lane t + Threads is the other lane of thread t + Threads - Held.
    u32 t = threadIdx.x % Threads;
    float moved = __shfl_sync(0xFFFFFFFFu, high, t - Held, Threads);
    float far = __shfl_sync(0xFFFFFFFFu, high, t + Threads - Held, Threads);
    sum = __fadd_rn(t < Held ? low : moved, t + Threads < 2 * Held ? far : 0.0f);
  }
#pragma unroll
  for (u32 half = Threads / 2; half > 0; half /= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, half));
  return sum;
}

// The same for a tree of at most 64 lanes, by one warp: its lane i holds lanes i and i + 32. Given to all of them.
__device__ __forceinline__ float row_combine_in_warp(float low, float high, u32 lanes) {
  if (lanes == 64) low = __fadd_rn(low, high);
  for (u32 half = min(lanes, 32u) / 2; half > 0; half /= 2) {
    low = __fadd_rn(low, __shfl_down_sync(0xFFFFFFFFu, low, half));
  }
  return __shfl_sync(0xFFFFFFFFu, low, 0);
}
