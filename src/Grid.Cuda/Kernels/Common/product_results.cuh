// What becomes of a product's chains, from the accumulators of a 64-token wgmma whose columns are outputs (wgmma.cuh says which
// thread holds what). Every epilogue rounds once; nothing is added in an order of its own.
//
//   STORE       y = bf16(acc), or bf16(acc + bias[n]) where there is a bias
//   ADD         y = bf16(float(residual[m, n]) + acc)
//   GATED_SILU  y = bf16(Silu(gate) * up); of the columns eight gates and eight ups in turn
//   RAW         y = acc, fp32
#pragma once

#include "numerics.cuh"

enum Epilogue : u32 { STORE = 0, ADD = 1, GATED_SILU = 2, RAW = 3 };

__device__ constexpr bool has(u32 epilogues, Epilogue one) { return (epilogues >> one & 1) != 0; }

// Where results go: rows of `outputs` elements.
struct Results {
  void* output;
  const u16* bias; // or null
  const u16* residual;
  u32 outputs;
  u32 epilogue;
};

// 4 x 4 words of a quad's lanes turned over: lane q gives p[j] and gets what lane j had at q. Its own inverse.
__device__ __forceinline__ void quad_transpose(u32 (&p)[4], u32 q) {
  bool odd = q & 1, high = q & 2;
  u32 s0 = odd ? p[0] : p[1], s1 = odd ? p[2] : p[3];
  u32 r0 = __shfl_xor_sync(~0u, s0, 1), r1 = __shfl_xor_sync(~0u, s1, 1);
  p[0] = odd ? r0 : p[0], p[2] = odd ? r1 : p[2];
  p[1] = odd ? p[1] : r0, p[3] = odd ? p[3] : r1;
  s0 = high ? p[0] : p[2], s1 = high ? p[1] : p[3];
  r0 = __shfl_xor_sync(~0u, s0, 2), r1 = __shfl_xor_sync(~0u, s1, 2);
  p[0] = high ? r0 : p[0], p[1] = high ? r1 : p[1];
  p[2] = high ? p[2] : r0, p[3] = high ? p[3] : r1;
}

__device__ __forceinline__ void add_pair(float& x, float& y, u32 pair) {
  x = __fadd_rn(x, bf16x2_first(pair));
  y = __fadd_rn(y, bf16x2_second(pair));
}

// Two neighbouring elements from `column` on, those that exist; aligned says that pairs may be read and written at once.
__device__ __forceinline__ u32 read_pair(const u16* row, u32 column, u32 outputs, bool aligned) {
  if (aligned) return column < outputs ? *(const u32*)(row + column) : 0;
  u32 low = column < outputs ? row[column] : 0, high = column + 1 < outputs ? row[column + 1] : 0;
  return low | high << 16;
}

__device__ __forceinline__ void write_pair(u16* row, u32 column, u32 outputs, bool aligned, u32 pair) {
  if (aligned) {
    if (column < outputs) *(u32*)(row + column) = pair;
  } else {
    if (column < outputs) row[column] = (u16)pair;
    if (column + 1 < outputs) row[column + 1] = (u16)(pair >> 16);
  }
}

// Everything below handles the 64 tokens of d: this thread's are row and row + 8, written where they lie before last_row; its
// columns are first + 8 j + 2 q and the next, for d[4 j] and on. aligned: outputs is a multiple of eight.

template <u32 N>
__device__ __forceinline__ void add_bias(float (&d)[N], const Results& a, u32 first, u32 q, bool aligned) {
#pragma unroll
  for (u32 j = 0; j < N / 4; j++) {
    u32 pair = read_pair(a.bias, first + j * 8 + q * 2, a.outputs, aligned);
    add_pair(d[4 * j], d[4 * j + 1], pair);
    add_pair(d[4 * j + 2], d[4 * j + 3], pair);
  }
}

// Four groups of eight columns at a time: a lane reads 16 bytes, and the quad hands out the pairs.
template <u32 N>
__device__ __forceinline__ void add_residual(float (&d)[N], const Results& a, u32 row, u32 last_row, u32 first, u32 q, bool aligned) {
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    bool there = row + half * 8 < last_row;
    const u16* from = a.residual + (u64)(row + half * 8) * a.outputs;
#pragma unroll
    for (u32 g = 0; g < N / 16; g++) {
      u32 p[4] = {0, 0, 0, 0}, column = first + g * 32 + q * 8;
      if (aligned) {
        if (there && column < a.outputs) {
          Bf16x8 eight = *(const Bf16x8*)(from + column);
#pragma unroll
          for (u32 j = 0; j < 4; j++) p[j] = eight.pair[j];
        }
        quad_transpose(p, q);
      } else if (there) {
#pragma unroll
        for (u32 j = 0; j < 4; j++) p[j] = read_pair(from, first + (g * 4 + j) * 8 + q * 2, a.outputs, false);
      }
#pragma unroll
      for (u32 j = 0; j < 4; j++) add_pair(d[(g * 4 + j) * 4 + half * 2], d[(g * 4 + j) * 4 + half * 2 + 1], p[j]);
    }
#pragma unroll
    for (u32 j = N / 16 * 4; j < N / 4; j++) {
      u32 pair = there ? read_pair(from, first + j * 8 + q * 2, a.outputs, aligned) : 0;
      add_pair(d[j * 4 + half * 2], d[j * 4 + half * 2 + 1], pair);
    }
    asm volatile("" ::: "memory"); // the other half's reads wait, or there would not be registers for all
  }
}

// The results of gates and ups, in the first half of d.
template <u32 N>
__device__ __forceinline__ void gate(float (&d)[N]) {
#pragma unroll
  for (u32 i = 0; i < N / 2; i++) {
    u32 of = i / 4 * 8 + i % 4;
    d[i] = __fmul_rn(grid_silu(d[of]), d[of + 4]);
  }
}

// The first GROUPS * 8 columns of d, rounded.
template <u32 GROUPS, u32 N>
__device__ __forceinline__ void store_rounded(const float (&d)[N], const Results& a, u32 row, u32 last_row, u32 first, u32 q, bool aligned) {
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    bool there = row + half * 8 < last_row;
    u16* to = (u16*)a.output + (u64)(row + half * 8) * a.outputs;
    auto pair = [&](u32 j) { return floats_to_bf16x2(d[j * 4 + half * 2], d[j * 4 + half * 2 + 1]); };
    if (aligned) {
#pragma unroll
      for (u32 g = 0; g < GROUPS / 4; g++) {
        u32 p[4] = {pair(g * 4), pair(g * 4 + 1), pair(g * 4 + 2), pair(g * 4 + 3)};
        quad_transpose(p, q);
        u32 column = first + g * 32 + q * 8;
        if (there && column < a.outputs) *(Bf16x8*)(to + column) = Bf16x8{{p[0], p[1], p[2], p[3]}};
      }
    }
    if (there) {
#pragma unroll
      for (u32 j = 0; j < GROUPS; j++) {
        if (!aligned || j >= GROUPS / 4 * 4) write_pair(to, first + j * 8 + q * 2, a.outputs, aligned, pair(j));
      }
    }
  }
}

template <u32 N>
__device__ __forceinline__ void store_raw(const float (&d)[N], const Results& a, u32 row, u32 last_row, u32 first, u32 q, bool aligned) {
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    if (row + half * 8 >= last_row) continue;
    float* to = (float*)a.output + (u64)(row + half * 8) * a.outputs;
#pragma unroll
    for (u32 j = 0; j < N / 4; j++) {
      u32 column = first + j * 8 + q * 2;
      float x = d[j * 4 + half * 2], y = d[j * 4 + half * 2 + 1];
      if (aligned) {
        if (column < a.outputs) *(float2*)(to + column) = make_float2(x, y);
      } else {
        if (column < a.outputs) to[column] = x;
        if (column + 1 < a.outputs) to[column + 1] = y;
      }
    }
  }
}

// One epilogue, straight from registers; first counts weight rows. ALIGNED: outputs are known to be a multiple of eight.
// BUILT: a bit for each epilogue that there is.
template <bool ALIGNED, u32 BUILT, u32 N>
__device__ __forceinline__ void finish(float (&d)[N], const Results& a, u32 row, u32 last_row, u32 first, u32 q) {
  const bool aligned = ALIGNED || a.outputs % 8 == 0;
  if constexpr (has(BUILT, RAW)) {
    if (a.epilogue == RAW) store_raw(d, a, row, last_row, first, q, aligned);
  }
  if constexpr (has(BUILT, GATED_SILU)) {
    if (a.epilogue == GATED_SILU) {
      gate(d);
      store_rounded<N / 8>(d, a, row, last_row, first / 2, q, aligned);
    }
  }
  if constexpr (has(BUILT, STORE) || has(BUILT, ADD)) {
    if (a.epilogue == RAW || a.epilogue == GATED_SILU) return;
    if (has(BUILT, ADD) && a.epilogue == ADD) add_residual(d, a, row, last_row, first, q, aligned);
    if (has(BUILT, STORE) && a.epilogue == STORE && a.bias != nullptr) add_bias(d, a, first, q, aligned);
    store_rounded<N / 4>(d, a, row, last_row, first, q, aligned);
  }
}
