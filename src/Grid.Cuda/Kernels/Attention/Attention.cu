// Causal attention over paged keys and values (contract, section 7): prefill, decode by segments, and their merge.
//
//   S = Q K^T;  m = max(M, max S);  P = bf16(ex2(fma(S, c, -(m c))));  r = Exp2((M - m) c);  O = O r + P V;  L = L r + P 1;  bf16(O / L)
//
// Row:      one query token and one of its heads. A tile is 64 * Warpgroups consecutive rows of one sequence and one KV head,
//           counted token by token: row r is token r / group, query head kvHead * group + r % group. Decode is a sequence of
//           one token, at most 8 heads per KV head (wide: 16), and one of its segments; prefill any run of tokens at any position.
//           Decode has a kernel for many tiles, bound by memory, and one for few (attention_decode.cuh), bound by how soon a tile ends.
// Shapes:   queries [tokens, query_stride] and output [tokens, output_stride] bf16, row-major. A page holds per KV head the key
//           image, then the value image of 64 tokens, each [token / 8][dim / 8][8 tokens][8 dims] bf16: what both products read
//           from shared memory, so a page and head is one contiguous copy. Unused slots must be finite (0 * NaN is NaN).
// Threads:  warpgroups of 64 rows: S by wgmma m64nT, P in registers, O by m64nHEAD_DIM, L by m64n8 against ones. Prefill: three,
//           and a producer warp that fills a ring of key and value blocks. Decode: one, whose last warp (it has no rows) fills
//           the ring. One block of the grid per tile and KV head; blocks past the last tile end at once.
// Order:    score, value and sum chains in steps of 16, ascending; blocks of T keys and segments ascending, cut at absolute
//           positions. Prefill merges segments in place; decode stores (O, M, L) of each, which attention_merge merges, or of few tiles the
//           one that ends last.
// May vary: everything else: tile, warpgroups, stages, grid, pages, batch, who shares a tile. T and Segment may not.
//
// Seen on an H100 (MEASURED.md): NVRTC must report no spill and no serialised wgmma; row sums as a column of ones are faster than
// additions; queries of prefill stay in shared memory because three warpgroups leave 160 registers a thread.
#include "attention_decode.cuh"
#include "attention_merge.cuh"
#include "attention_pipeline.cuh"
#include "launch.cuh"

// Definitions: HEAD_DIM (64 or 128), BLOCK_TOKENS and SEGMENT_TOKENS (the contract's), and what the launcher believes of
// PREFILL_SHARED, DECODE_SHARED, FEW_SHARED and WIDE_SHARED bytes.
using PrefillShape = AttentionShape<HEAD_DIM, BLOCK_TOKENS, SEGMENT_TOKENS, 3, 2, false>;
using DecodeShape = AttentionShape<HEAD_DIM, BLOCK_TOKENS, SEGMENT_TOKENS, 1, 3, true>;
using FewShape = DecodeTileShape<HEAD_DIM, BLOCK_TOKENS, SEGMENT_TOKENS, 1>;
using WideShape = DecodeTileShape<HEAD_DIM, BLOCK_TOKENS, SEGMENT_TOKENS, 2>; // 9 to 16 heads per KV head
static_assert(PrefillShape::SharedBytes == PREFILL_SHARED && DecodeShape::SharedBytes == DECODE_SHARED, "shared memory");
static_assert(FewShape::SharedBytes == FEW_SHARED && WideShape::SharedBytes == WIDE_SHARED, "shared memory");

extern "C" __global__ void __launch_bounds__(PrefillShape::Threads, 1) attention_prefill(const __grid_constant__ AttentionArguments a) {
  attention_kernel<PrefillShape>(a);
}

extern "C" __global__ void __launch_bounds__(DecodeShape::Threads, 2) attention_decode(const __grid_constant__ AttentionArguments a) {
  attention_kernel<DecodeShape>(a);
}

extern "C" __global__ void __launch_bounds__(FewShape::Threads, 1) attention_decode_few(const __grid_constant__ AttentionArguments a) {
  decode_kernel<FewShape>(a, attention_memory);
}

extern "C" __global__ void __launch_bounds__(WideShape::Threads, 1) attention_decode_wide(const __grid_constant__ AttentionArguments a) {
  decode_kernel<WideShape>(a, attention_memory);
}

extern "C" __global__ void __launch_bounds__(128) attention_merge(const __grid_constant__ AttentionArguments a) {
  wait_for_previous_kernel();
  let_next_kernel_start();
  merge_attention<HEAD_DIM, SEGMENT_TOKENS>(a);
}
