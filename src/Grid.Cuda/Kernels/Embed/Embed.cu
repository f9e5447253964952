// Rows of a table, by token id. The table is a packed matrix, so that a tied embedding exists once.
//
//   output[r][i] = table[ids[r]][i]
//
// Shapes:  ids [rows] 32-bit integers, each in [0, vocabulary): the caller checks them; table [vocabulary, n] bf16 packed as
//          weight_tiles.cuh says, n a multiple of 8; output [rows, n] bf16, row-major.
// Threads: one block per row; a thread copies 16 bytes at a time.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"
#include "weight_tiles.cuh"

struct EmbedArguments {
  const u32* ids;
  const u16* packed;
  u16* output;
  u32 width;
  u32 packed_rows;
};

extern "C" __global__ void __launch_bounds__(256) embed(const __grid_constant__ EmbedArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 row = a.ids[blockIdx.x];
  Bf16x8* output = (Bf16x8*)(a.output + (u64)blockIdx.x * a.width);
  for (u32 piece = threadIdx.x; piece < a.width / WEIGHT_PIECE; piece += blockDim.x) {
    output[piece] = *(const Bf16x8*)(a.packed + packed_piece(row, piece, a.packed_rows));
  }
}
