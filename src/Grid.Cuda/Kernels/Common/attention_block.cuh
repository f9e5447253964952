// What a consumer thread does with one block of keys: weights, rescaling, merging, division.
#pragma once

#include "attention_types.cuh"
#include "numerics.cuh"
#include "ptx.cuh"

// A running maximum that no score is below, in place of -infinity: the bits are the same, because (LOWEST - m) * c is far below
// -151 and Exp2 gives +0, and (LOWEST - LOWEST) * c is 0 instead of NaN. Needs c >= 1e-30.
constexpr float LOWEST_SCORE = -3.402823466e+38f;

// What a consumer thread carries from block to block. It holds rows l / 4 and l / 4 + 8 of its warp's sixteen; the four
// lanes of a quad share a row's columns.
template <class Shape>
struct AttentionState {
  float values[Shape::HeadDim / 2]; // O
  u32 weights[Shape::T / 16][4];    // P
  float sums[4];                    // L: [0] first row, [2] second row
  float maximum[2];                 // M
  float rescale[2];                 // r
};

// Exp2 of both rows' arguments. The lanes of a quad hold the same rows: even ones compute the first, odd ones the second.
__device__ __forceinline__ void exp2_both(float first, float second, float& r0, float& r1) {
  bool odd = threadIdx.x & 1;
  float mine = exp2_nonpositive(odd ? second : first);
  float other = __shfl_xor_sync(0xFFFFFFFFu, mine, 1);
  r0 = odd ? other : mine;
  r1 = odd ? mine : other;
}

// Starts from nothing: O = 0, L = 0, P = 0, no maximum.
template <class Shape>
__device__ __forceinline__ void attention_clear(AttentionState<Shape>& s) {
#pragma unroll
  for (i32 i = 0; i < Shape::HeadDim / 2; i++) {
    s.values[i] = 0.0f;
  }
#pragma unroll
  for (i32 k = 0; k < Shape::T / 16; k++) {
    s.weights[k][0] = s.weights[k][1] = s.weights[k][2] = s.weights[k][3] = 0;
  }
  s.sums[0] = s.sums[1] = s.sums[2] = s.sums[3] = 0.0f;
  s.maximum[0] = s.maximum[1] = LOWEST_SCORE;
  s.rescale[0] = s.rescale[1] = 1.0f;
}

// Scores of keys that a row does not see become -infinity. last0, last1: the last key that the rows see, relative to the block.
template <class Shape>
__device__ __forceinline__ void attention_mask(float (&scores)[Shape::T / 2], i32 last0, i32 last1) {
  const float none = float_of(0xFF800000u);
#pragma unroll
  for (i32 j = 0; j < Shape::T / 8; j++) {
    i32 key = 8 * j + 2 * (threadIdx.x % 4);
    scores[4 * j] = key > last0 ? none : scores[4 * j];
    scores[4 * j + 1] = key + 1 > last0 ? none : scores[4 * j + 1];
    scores[4 * j + 2] = key > last1 ? none : scores[4 * j + 2];
    scores[4 * j + 3] = key + 1 > last1 ? none : scores[4 * j + 3];
  }
}

// The new maximum of one of the rows and its unrounded weights in place of its scores. Returns (M - m) * c.
template <class Shape, i32 Row>
__device__ __forceinline__ float attention_softmax_row(AttentionState<Shape>& s, float (&scores)[Shape::T / 2], float c, bool masked) {
  float m = s.maximum[Row];
#pragma unroll
  for (i32 i = 2 * Row; i < Shape::T / 2; i += 4) {
    m = fmaxf(m, fmaxf(scores[i], scores[i + 1]));
  }
  m = fmaxf(m, __shfl_xor_sync(0xFFFFFFFFu, m, 1));
  m = fmaxf(m, __shfl_xor_sync(0xFFFFFFFFu, m, 2));
  float difference = __fmul_rn(__fsub_rn(s.maximum[Row], m), c);
  s.maximum[Row] = m;

  float shift = -__fmul_rn(m, c);
  if (masked) {
    shift = fminf(shift, -LOWEST_SCORE); // a row that sees no key of the segment yet: its weights are +0, not NaN
  }
#pragma unroll
  for (i32 i = 2 * Row; i < Shape::T / 2; i += 4) {
    scores[i] = exp2_approx(__fmaf_rn(scores[i], c, shift));
    scores[i + 1] = exp2_approx(__fmaf_rn(scores[i + 1], c, shift));
  }
  return difference;
}

// New maxima, rescaling factors and unrounded weights of one block.
template <class Shape>
__device__ __forceinline__ void attention_softmax(AttentionState<Shape>& s, float (&scores)[Shape::T / 2], float c, bool masked) {
  float first = attention_softmax_row<Shape, 0>(s, scores, c, masked);
  if constexpr (Shape::Decode) {
    s.rescale[0] = exp2_nonpositive(first); // eight rows at most: the second ones stay at zero
  } else {
    float second = attention_softmax_row<Shape, 1>(s, scores, c, masked);
    exp2_both(first, second, s.rescale[0], s.rescale[1]);
  }
}

// Rounds the weights to bf16, the next product's operand.
template <class Shape>
__device__ __forceinline__ void attention_round(AttentionState<Shape>& s, const float (&weights)[Shape::T / 2]) {
#pragma unroll
  for (i32 k = 0; k < Shape::T / 16; k++) {
    s.weights[k][0] = floats_to_bf16x2(weights[8 * k], weights[8 * k + 1]);
    s.weights[k][2] = floats_to_bf16x2(weights[8 * k + 4], weights[8 * k + 5]);
    if constexpr (!Shape::Decode) {
      s.weights[k][1] = floats_to_bf16x2(weights[8 * k + 2], weights[8 * k + 3]);
      s.weights[k][3] = floats_to_bf16x2(weights[8 * k + 6], weights[8 * k + 7]);
    }
  }
}

// O * r and L * r.
template <class Shape>
__device__ __forceinline__ void attention_rescale(AttentionState<Shape>& s) {
#pragma unroll
  for (i32 i = 0; i < Shape::HeadDim / 2; i += 4) {
    s.values[i] = __fmul_rn(s.values[i], s.rescale[0]);
    s.values[i + 1] = __fmul_rn(s.values[i + 1], s.rescale[0]);
    if constexpr (!Shape::Decode) {
      s.values[i + 2] = __fmul_rn(s.values[i + 2], s.rescale[1]);
      s.values[i + 3] = __fmul_rn(s.values[i + 3], s.rescale[1]);
    }
  }

  // All columns of ones hold the same sum.
  s.sums[0] = __fmul_rn(s.sums[0], s.rescale[0]);
  s.sums[1] = __fmul_rn(s.sums[1], s.rescale[0]);
  if constexpr (!Shape::Decode) {
    s.sums[2] = __fmul_rn(s.sums[2], s.rescale[1]);
    s.sums[3] = __fmul_rn(s.sums[3], s.rescale[1]);
  }
}

// Merges the segment in s into what lies in shared memory: this thread's values at merged[128 i], and its rows' (M, L),
// shared by the quad, at state[0] and state[8]. Forgets the segment's maxima. The first merge is the identity.
template <class Shape>
__device__ __forceinline__ void attention_merge_in_place(AttentionState<Shape>& s, float4* merged, float2* state, bool first, float c) {
  float a0 = 0, a1 = 0, b0 = 0, b1 = 0;
  float m0 = s.maximum[0], m1 = s.maximum[1], l0 = s.sums[0], l1 = s.sums[2];
  if (!first) {
    float2 old0 = state[0], old1 = state[8];
    m0 = fmaxf(old0.x, m0);
    m1 = fmaxf(old1.x, m1);
    exp2_both(__fmul_rn(__fsub_rn(old0.x, m0), c), __fmul_rn(__fsub_rn(old1.x, m1), c), a0, a1);
    exp2_both(__fmul_rn(__fsub_rn(s.maximum[0], m0), c), __fmul_rn(__fsub_rn(s.maximum[1], m1), c), b0, b1);
    l0 = __fmaf_rn(l0, b0, __fmul_rn(old0.y, a0));
    l1 = __fmaf_rn(l1, b1, __fmul_rn(old1.y, a1));
    __syncwarp();
  }
  if (threadIdx.x % 4 == 0) {
    state[0] = make_float2(m0, l0);
    state[8] = make_float2(m1, l1);
  }

  __syncwarp();
#pragma unroll
  for (i32 i = 0; i < Shape::HeadDim / 8; i++) {
    float4 v = make_float4(s.values[4 * i], s.values[4 * i + 1], s.values[4 * i + 2], s.values[4 * i + 3]);
    if (!first) {
      float4 old = merged[i * 128];
      v.x = __fmaf_rn(v.x, b0, __fmul_rn(old.x, a0));
      v.y = __fmaf_rn(v.y, b0, __fmul_rn(old.y, a0));
      v.z = __fmaf_rn(v.z, b1, __fmul_rn(old.z, a1));
      v.w = __fmaf_rn(v.w, b1, __fmul_rn(old.w, a1));
    }
    merged[i * 128] = v;
  }
  s.maximum[0] = s.maximum[1] = LOWEST_SCORE;
}

// The merged segments, after the last: O and L.
template <class Shape>
__device__ __forceinline__ void attention_take_merged(AttentionState<Shape>& s, const float4* merged, const float2* state) {
  s.sums[0] = state[0].y;
  s.sums[2] = state[8].y;
#pragma unroll
  for (i32 i = 0; i < Shape::HeadDim / 8; i++) {
    float4 v = merged[i * 128];
    s.values[4 * i] = v.x;
    s.values[4 * i + 1] = v.y;
    s.values[4 * i + 2] = v.z;
    s.values[4 * i + 3] = v.w;
  }
}

// o / l correctly rounded, given y = 1 / l correctly rounded: Markstein's division, exact where nothing underflows.
__device__ __forceinline__ float divide(float o, float l, float y) {
  float q = __fmul_rn(o, y);
  return __fmaf_rn(__fmaf_rn(-q, l, o), y, q);
}

// Whether divide() may not be exact for this dividend: outside [1e-25, 1e30].
__device__ __forceinline__ bool divides_rarely(float o) {
  return ((bits_of(o) & 0x7FFFFFFF) - 0x15F79688) > (0x7149F2CA - 0x15F79688);
}

// bf16(O / L) of one of the rows, stored to this thread's columns.
template <class Shape>
__device__ __forceinline__ void attention_store_row(const AttentionState<Shape>& s, i32 row, u16* output) {
  float l = row == 0 ? s.sums[0] : s.sums[2];
  float y = __frcp_rn(l);
  bool rare = !(l > 1e-9f && l < 1e9f);
#pragma unroll
  for (i32 j = 0; j < Shape::HeadDim / 8; j++) {
    float first = row == 0 ? s.values[4 * j] : s.values[4 * j + 2];
    float second = row == 0 ? s.values[4 * j + 1] : s.values[4 * j + 3];
    rare |= divides_rarely(first) | divides_rarely(second);
    *(u32*)(output + 8 * j) = floats_to_bf16x2(divide(first, l, y), divide(second, l, y));
  }
  if (rare) {
#pragma unroll
    for (i32 j = 0; j < Shape::HeadDim / 8; j++) {
      float first = row == 0 ? s.values[4 * j] : s.values[4 * j + 2];
      float second = row == 0 ? s.values[4 * j + 1] : s.values[4 * j + 3];
      *(u32*)(output + 8 * j) = floats_to_bf16x2(__fdiv_rn(first, l), __fdiv_rn(second, l));
    }
  }
}
