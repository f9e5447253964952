// Rows of an activation by number: what a product reads where only some rows are wanted, for tensor copies fetch neighbours.
//
//   output[r][i] = input[rows[r]][i]
//
// Shapes:  rows [count] 32-bit integers that the caller checks; input [*, n] and output [count, n] bf16, row-major, n a multiple of 8.
// Threads: one block per row; a thread copies 16 bytes at a time.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"

struct GatherRowsArguments {
  const u32* rows;
  const u16* input;
  u16* output;
  u32 width;
  u32 unused;
};

extern "C" __global__ void __launch_bounds__(256) gather_rows(const __grid_constant__ GatherRowsArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const Bf16x8* from = (const Bf16x8*)(a.input + (u64)a.rows[blockIdx.x] * a.width);
  Bf16x8* to = (Bf16x8*)(a.output + (u64)blockIdx.x * a.width);
  for (u32 i = threadIdx.x; i < a.width / 8; i += blockDim.x) to[i] = from[i];
}
