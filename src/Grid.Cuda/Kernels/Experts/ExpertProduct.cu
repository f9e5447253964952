// Every expert's product with the entries routed to it (contract, section 6); an expert's weights are read once for each item.
//
//   acc[e, n] = chain over k of x[row of entry e, k] * w[expert of e][n, k];  then one epilogue:
//   GatedSilu  y[e, n] = bf16(Silu(gate) * up), gate and up rows alternating in groups of eight
//   Raw        y[e, n] = acc, fp32
//
// Shapes:   packed [experts] matrices as PackWeights.cu writes them, packed_rows each and expert_bytes apart, of which weight_tiles * 64
//           rows are taken, beginning with the first that packed points at;
//           input [*, width] bf16 row-major, entry e taking row e / entries_per_row, width a multiple of 8; output
//           [entries, outputs] row-major, never the input; work and grouped as Route.cu wrote them. Weights are finite.
// Threads:  expert_tile.cuh: a block computes WARPGROUPS * 64 weight rows times the at most TOKENS entries of one item. The grid
//           has room for as many items as there can be; blocks past the real ones end at once.
// Order:    one chain per output element, k ascending in steps of 16, from +0.
// May vary: TOKENS, WARPGROUPS, CHUNKS, STAGES, the grid and its order, which entries of an expert share an item, how many of the
//           outputs one launch computes.
#include "expert_work.cuh"
#include "expert_tile.cuh"

struct ExpertProductArguments {
  const char* packed;
  const u16* input;
  const WorkHeader* work;
  const u32* grouped;
  void* output;
  u64 expert_bytes;
  u32 weight_tiles;
  u32 width;
  u32 outputs;
  u32 epilogue;
  u32 entries_per_row;
  u32 packed_rows;
};

// Behind the ring lie the entries of the item.
static_assert(TOKENS <= CONSUMERS, "one consumer lists an entry");

__device__ __forceinline__ TokenRows token_rows(const ExpertProductArguments& a, const WorkItem& item, u32 thread) {
  TokenRows rows;
  rows.present = 0;
#pragma unroll
  for (u32 i = 0; i < ROWS_PER_THREAD; i++) {
    u32 token = row_in_tile(thread, i);
    bool there = token < item.count;
    u32 entry = there ? a.grouped[item.first + token] : 0;
    rows.start[i] = a.input + (u64)(entry / a.entries_per_row) * a.width;
    rows.present |= (there ? 1u : 0u) << i;
  }
  return rows;
}

extern "C" __global__ void __launch_bounds__(CONSUMERS + PRODUCERS, 1) expert_product(const __grid_constant__ ExpertProductArguments a) {
  extern __shared__ __align__(1024) char memory[];
  u32 ring = shared_address(memory);
  if (threadIdx.x == 0) init_ring(ring);

  // Which weights there are to fetch depends on the routing, so nothing starts before the wait.
  wait_for_previous_kernel();
  let_next_kernel_start();
  u32 columns = (a.weight_tiles + WARPGROUPS - 1) / WARPGROUPS;
  u32 index = blockIdx.x / columns;
  u32 items = a.work->items;
  WorkItem item = ((const WorkItem*)(a.work + 1))[index];
  if (index >= items) return;
  __syncthreads();
  const char* packed = a.packed + item.expert * a.expert_bytes;
  Block b = block_over(packed, a.packed_rows, a.weight_tiles, blockIdx.x % columns * WARPGROUPS, a.width, ring);
  if (threadIdx.x >= CONSUMERS) {
    u32 thread = threadIdx.x - CONSUMERS;
    begin_weights(b, thread);
    produce(b, token_rows(a, item, thread), thread);
  } else {
    u32 warpgroup = threadIdx.x / 128, thread = threadIdx.x % 128;
    u32* listed = (u32*)(memory + SHARED_BYTES);
    if (threadIdx.x < TOKENS) listed[threadIdx.x] = threadIdx.x < item.count ? a.grouped[item.first + threadIdx.x] : NO_ROW;
    const float* turned = multiply_and_turn(b, memory, warpgroup, thread);
    if (b.weights + warpgroup >= a.weight_tiles) return;
    Target target = {a.output, a.outputs, a.epilogue};
    finish_turned(target, turned, b.weights + warpgroup, thread, [&](u32 token) { return listed[token]; });
  }
}
