// Rows of a table, by token id. The table is a packed matrix, so that a tied embedding exists once.
//
//   output[r][i] = table[ids[r]][i]
//
// An id below 0 is not known to the host yet: ~id is the row of the last sampling that draws it. Where that row has no token, because
// its logits were not finite, the first row of the table is taken; the sequence has ended, and nothing reads what comes of it.
//
// Shapes:  ids [rows] 32-bit integers, each in [0, vocabulary) or ~[0, drawn rows): the caller checks them; drawn [any] results of the
//          sampling, the token first, or null where no id is below 0; table [vocabulary, n] bf16 packed as weight_tiles.cuh says, n a
//          multiple of 8; output [rows, n] bf16, row-major.
// Threads: one block per row; a thread copies 16 bytes at a time.
// Order:   no arithmetic, so none.
// May vary: nothing.
#include "launch.cuh"
#include "numerics.cuh"
#include "weight_tiles.cuh"

constexpr u32 RESULT_WORDS = 8;  // of SamplingResult

struct EmbedArguments {
  const i32* ids;
  const u32* drawn;
  const u16* packed;
  u16* output;
  u32 width;
  u32 packed_rows;
  u32 vocabulary;
};

extern "C" __global__ void __launch_bounds__(256) embed(const __grid_constant__ EmbedArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  i32 id = a.ids[blockIdx.x];
  u32 row = id >= 0 ? id : a.drawn[(u64)RESULT_WORDS * (u32)~id];
  if (row >= a.vocabulary) row = 0;
  Bf16x8* output = (Bf16x8*)(a.output + (u64)blockIdx.x * a.width);
  for (u32 piece = threadIdx.x; piece < a.width / WEIGHT_PIECE; piece += blockDim.x) {
    output[piece] = *(const Bf16x8*)(a.packed + packed_piece(row, piece, a.packed_rows));
  }
}
