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
