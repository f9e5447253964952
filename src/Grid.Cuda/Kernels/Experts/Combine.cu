// The sum of what a row's experts give (contract, section 6).
//
//   c = +0;  c = fma(w[r, s], y[r, s, i], c) for s = 0 .. slots-1;  residual[r, first + i] = bf16(float(residual[r, first + i]) + c)
//
// Shapes:  outputs [rows, slots, columns] fp32; weights [rows, slots] fp32; residual [rows, width] bf16, of which columns first ..
//          first + columns - 1 are changed; row_count one u32, the rows that count (more than `rows` are not looked at). columns,
//          first and width are multiples of 8. Nothing of rows past row_count is read or written.
// Threads: one per eight columns of a row.
// Order:   slots ascending, from +0.
// May vary: how many columns one launch takes, the grid.
#include "launch.cuh"
#include "numerics.cuh"

struct CombineArguments {
  const float* outputs;
  const float* weights;
  u16* residual;
  const u32* row_count;
  u32 rows;
  u32 slots;
  u32 columns;
  u32 first;
  u32 width;
  u32 unused;
};

extern "C" __global__ void __launch_bounds__(128) combine(const __grid_constant__ CombineArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 rows = min(*a.row_count, a.rows), groups = a.columns / 8;
  u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  u32 row = index / groups, column = index % groups * 8;
  if (row >= rows) return;
  const float* outputs = a.outputs + (u64)row * a.slots * a.columns + column;
  const float* weights = a.weights + (u64)row * a.slots;
  Bf16x8* target = (Bf16x8*)(a.residual + (u64)row * a.width + a.first + column);
  Bf16x8 residual = *target;
  float c[8];
#pragma unroll
  for (u32 i = 0; i < 8; i++) c[i] = 0.0f;
#pragma unroll 4
  for (u32 slot = 0; slot < a.slots; slot++) {
    float weight = weights[slot];
    float4 low = ((const float4*)(outputs + (u64)slot * a.columns))[0], high = ((const float4*)(outputs + (u64)slot * a.columns))[1];
    c[0] = __fmaf_rn(weight, low.x, c[0]);
    c[1] = __fmaf_rn(weight, low.y, c[1]);
    c[2] = __fmaf_rn(weight, low.z, c[2]);
    c[3] = __fmaf_rn(weight, low.w, c[3]);
    c[4] = __fmaf_rn(weight, high.x, c[4]);
    c[5] = __fmaf_rn(weight, high.y, c[5]);
    c[6] = __fmaf_rn(weight, high.z, c[6]);
    c[7] = __fmaf_rn(weight, high.w, c[7]);
  }
  Bf16x8 sum;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    sum.pair[i] = floats_to_bf16x2(
        __fadd_rn(bf16x2_first(residual.pair[i]), c[2 * i]), __fadd_rn(bf16x2_second(residual.pair[i]), c[2 * i + 1]));
  }
  *target = sum;
}
