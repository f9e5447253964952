// RMSNorm of rows of bf16.
//
//   mean = sum(x[i]^2) / n;  inverse = 1 / sqrt(mean + epsilon);  y[i] = bf16((x[i] * inverse) * w[i])
//
// Shapes:  input [rows, n], weight [n], output [rows, n], bf16, rows contiguous; output may be the input.
// Threads: one block per row, max(L, 32) threads; thread i is lane i of the contract's tree (row_reduction.cuh). A lane's eight
//          elements are one 16-byte access when n is a multiple of 8, else eight single ones.
// Order:   the sum of squares: the contract's tree over n, from +0, s = fma(x, x, s). Everything else is per element.
// May vary: nothing that can be seen. A row is read twice; the second time it comes from the cache.
#include "launch.cuh"
#include "numerics.cuh"
#include "row_reduction.cuh"

struct RmsNormArguments {
  const u16* input;
  const u16* weight;
  u16* output;
  u32 width;
  u32 lanes;
  float epsilon;
  u32 unused;
};

__device__ __forceinline__ float normalized(float x, float inverse, float w) { return __fmul_rn(__fmul_rn(x, inverse), w); }

__device__ __forceinline__ float squares_by_eight(const u16* row, const RmsNormArguments& a) {
  float sum = 0.0f;
  if (threadIdx.x < a.lanes) {
    for (u32 i = threadIdx.x * ROW_STEP; i < a.width; i += a.lanes * ROW_STEP) {
      Bf16x8 x = *(const Bf16x8*)(row + i);
#pragma unroll
      for (u32 k = 0; k < 4; k++) {
        sum = row_add_square(sum, bf16x2_first(x.pair[k]));
        sum = row_add_square(sum, bf16x2_second(x.pair[k]));
      }
    }
  }
  return sum;
}

__device__ __forceinline__ float squares_by_one(const u16* row, const RmsNormArguments& a) {
  float sum = 0.0f;
  if (threadIdx.x < a.lanes) {
    for (u32 start = threadIdx.x * ROW_STEP; start < a.width; start += a.lanes * ROW_STEP) {
      u32 end = min(start + ROW_STEP, a.width);
      for (u32 i = start; i < end; i++) sum = row_add_square(sum, bf16_to_float(row[i]));
    }
  }
  return sum;
}

extern "C" __global__ void __launch_bounds__(256) rms_norm(const __grid_constant__ RmsNormArguments a) {
  __shared__ RowScratch scratch;
  wait_for_previous_kernel();
  let_next_kernel_start();
  const u16* row = a.input + (u64)blockIdx.x * a.width;
  u16* output = a.output + (u64)blockIdx.x * a.width;
  bool by_eight = a.width % ROW_STEP == 0;
  float sum = row_combine(by_eight ? squares_by_eight(row, a) : squares_by_one(row, a), a.lanes, scratch);
  float mean = __fdiv_rn(sum, (float)a.width);
  float inverse = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(mean, a.epsilon)));
  if (by_eight) {
    for (u32 i = threadIdx.x * ROW_STEP; i < a.width; i += blockDim.x * ROW_STEP) {
      Bf16x8 x = *(const Bf16x8*)(row + i);
      Bf16x8 w = *(const Bf16x8*)(a.weight + i);
      Bf16x8 y;
#pragma unroll
      for (u32 k = 0; k < 4; k++) {
        y.pair[k] = floats_to_bf16x2(
            normalized(bf16x2_first(x.pair[k]), inverse, bf16x2_first(w.pair[k])),
            normalized(bf16x2_second(x.pair[k]), inverse, bf16x2_second(w.pair[k])));
      }
      *(Bf16x8*)(output + i) = y;
    }
  } else {
    for (u32 i = threadIdx.x; i < a.width; i += blockDim.x) {
      output[i] = float_to_bf16(normalized(bf16_to_float(row[i]), inverse, bf16_to_float(a.weight[i])));
    }
  }
}
