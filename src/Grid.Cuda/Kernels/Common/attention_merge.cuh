// Merges the partial results of decode's segments (contract, section 7, steps 2 and 3).
#pragma once

#include "attention_types.cuh"
#include "attention_block.cuh"

// Grid: (sequences, ceil(query heads * HeadDim / 512)), 128 threads of four elements. Segments in ascending order; sequences
// without partial results are passed over.
template <i32 HeadDim, i32 Segment>
__device__ __forceinline__ void merge_attention(const AttentionArguments& a) {
  i32 heads = a.kv_heads * a.group;
  i32 element = (blockIdx.y * 128 + threadIdx.x) * 4, head = element / HeadDim;
  AttentionSequence sequence = a.sequences[blockIdx.x];
  if (sequence.first_slot < 0 || head >= heads) return;
  i32 count = sequence.position / Segment + 1;
  const float4* values = (const float4*)(a.partial_values + (i64)sequence.first_slot * heads * HeadDim + element);
  const float2* states = a.partial_state + (i64)sequence.first_slot * heads + head;
  float2 state = states[0];
  float4 v = values[0];
#pragma unroll 4
  for (i32 s = 1; s < count; s++) {
    float2 next = states[s * heads];
    float4 other = values[s * (heads * HeadDim / 4)];
    float m = fmaxf(state.x, next.x);
    float ra = exp2_nonpositive(__fmul_rn(__fsub_rn(state.x, m), a.c));
    float rb = exp2_nonpositive(__fmul_rn(__fsub_rn(next.x, m), a.c));
    v.x = __fmaf_rn(other.x, rb, __fmul_rn(v.x, ra));
    v.y = __fmaf_rn(other.y, rb, __fmul_rn(v.y, ra));
    v.z = __fmaf_rn(other.z, rb, __fmul_rn(v.z, ra));
    v.w = __fmaf_rn(other.w, rb, __fmul_rn(v.w, ra));
    state.y = __fmaf_rn(next.y, rb, __fmul_rn(state.y, ra));
    state.x = m;
  }
  uint2 rounded = make_uint2(
    floats_to_bf16x2(__fdiv_rn(v.x, state.y), __fdiv_rn(v.y, state.y)), floats_to_bf16x2(__fdiv_rn(v.z, state.y), __fdiv_rn(v.w, state.y)));
  *(uint2*)(a.output + (i64)sequence.first_token * a.output_stride + element) = rounded;
}
