// Rows of a table, by token id.
//
//   output[r][i] = table[ids[r]][i]
//
// Shapes:  ids [rows] 32-bit integers, each in [0, vocabulary): the caller checks them; table [vocabulary, n] bf16; output
//          [rows, n] bf16; rows contiguous.
// Threads: one block per row; a thread copies 16 bytes at a time when n is a multiple of 8, else single elements.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"

struct EmbedArguments {
  const u32* ids;
  const u16* table;
  u16* output;
  u32 width;
  u32 unused;
};

extern "C" __global__ void __launch_bounds__(256) embed(const __grid_constant__ EmbedArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  const u16* row = a.table + (u64)a.ids[blockIdx.x] * a.width;
  u16* output = a.output + (u64)blockIdx.x * a.width;
  if (a.width % 8 == 0) {
    for (u32 i = threadIdx.x; i < a.width / 8; i += blockDim.x) ((Bf16x8*)output)[i] = ((const Bf16x8*)row)[i];
  } else {
    for (u32 i = threadIdx.x; i < a.width; i += blockDim.x) output[i] = row[i];
  }
}
