// Matrix products over packed weights, for any number of tokens.
//
//   acc[m, n] = chain over k of x[m, k] * w[n, k];  then one epilogue:
//   Store      y = bf16(acc), or bf16(acc + bias[n]) where there is a bias
//   Add        y = bf16(float(residual[m, n]) + acc)
//   GatedSilu  y = bf16(Silu(gate) * up), gate and up rows alternating in groups of eight
//   Raw        y = acc, fp32 (logits, router, an expert's down)
//
// Shapes:   tiles as PackWeights.cu writes them, weight_tiles * 64 rows; input [*, width] bf16 row-major, width a multiple of 8;
//           rows, where given, lists which of its rows to take; output, residual [tokens, outputs] row-major. output may be the
//           residual, never the input. Weights are finite.
// Threads:  product_tile.cuh: a block computes WARPGROUPS * 64 weight rows times TOKENS tokens.
// Order:    one chain per output element, k ascending in steps of 16, from +0.
// May vary: TOKENS, WARPGROUPS, CHUNKS, STAGES, the grid and its order, which rows share a tile.
#include "product_tile.cuh"

struct ProductArguments {
  const u16* tiles;
  const u16* input;
  const u32* rows;
  const u16* bias;
  const u16* residual;
  void* output;
  u32 tokens;
  u32 width;
  u32 outputs;
  u32 weight_tiles;
  u32 epilogue;
  u32 unused;
};

constexpr u32 TOKEN_GROUP = 8; // token tiles that go over the same weights before the grid moves on

// The block's weights and its first token.
__device__ __forceinline__ Block block_of(const ProductArguments& a, u32 ring, u32& first_token) {
  u32 columns = (a.weight_tiles + WARPGROUPS - 1) / WARPGROUPS;
  u32 token_tiles = (a.tokens + TOKENS - 1) / TOKENS;
  u32 group = blockIdx.x / (TOKEN_GROUP * columns), in_group = blockIdx.x % (TOKEN_GROUP * columns);
  u32 height = min(TOKEN_GROUP, token_tiles - group * TOKEN_GROUP);
  first_token = (group * TOKEN_GROUP + in_group % height) * TOKENS;
  return block_over(a.tiles, a.weight_tiles, in_group / height * WARPGROUPS, a.width, ring);
}

__device__ __forceinline__ TokenRows token_rows(const ProductArguments& a, u32 first_token, u32 thread) {
  TokenRows rows;
  rows.present = 0;
#pragma unroll
  for (u32 i = 0; i < ROWS_PER_THREAD; i++) {
    u32 token = first_token + row_in_tile(thread, i);
    u32 row = token >= a.tokens ? 0 : a.rows != nullptr ? a.rows[token] : token;
    rows.start[i] = token >= a.tokens ? a.input : a.input + (u64)row * a.width;
    rows.present |= (token < a.tokens ? 1u : 0u) << i;
  }
  return rows;
}

extern "C" __global__ void __launch_bounds__(CONSUMERS + PRODUCERS, 1) product(const __grid_constant__ ProductArguments a) {
  extern __shared__ __align__(1024) char memory[];
  u32 first_token;
  Block b = block_of(a, shared_address(memory), first_token);
  if (threadIdx.x == 0) init_ring(b.ring);
  __syncthreads();
  let_next_kernel_start();
  if (threadIdx.x >= CONSUMERS) {
    u32 thread = threadIdx.x - CONSUMERS;
    begin_weights(b, thread);
    wait_for_previous_kernel();
    produce(b, token_rows(a, first_token, thread), thread);
  } else {
    u32 warpgroup = threadIdx.x / 128, thread = threadIdx.x % 128;
    wait_for_previous_kernel();
    const float* turned = multiply_and_turn(b, memory, warpgroup, thread);
    if (b.weights + warpgroup >= a.weight_tiles) return;
    Target target = {a.output, a.bias, a.residual, a.outputs, a.epilogue};
    finish(target, turned, b.weights + warpgroup, thread, [&](u32 token) {
      return first_token + token < a.tokens ? first_token + token : NO_ROW;
    });
  }
}
