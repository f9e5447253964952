// Matrix products over packed weights, for any number of tokens.
//
//   acc[m, n] = chain over k of x[m, k] * w[n, k];  then one epilogue of product_results.cuh.
//
// Shapes:   weights as weight_tiles.cuh lays them out, packed_rows of them in memory, of which packed_outputs are used (twice the
//           outputs for GatedSilu), with TILE_ROWS - 64 rows of 128 bytes to read behind the last chunk; input [*, width] bf16
//           row-major through a tensor map over its whole buffer, width a multiple of 8; output, residual [tokens, outputs]
//           row-major. output may be the residual, never the input. Weights are finite.
// Threads:  WARPGROUPS consumer warpgroups of OPERANDS * 64 tokens each (wgmma's M) times TILE_ROWS weight rows (its N); then one
//           producer warp, of which one lane fills a ring of STAGES stages of CHUNKS * 64 k. A block of fewer than 64 tokens
//           multiplies what lies behind them too; nobody stores it. Where consumers want more registers than an equal share, the
//           producer's whole warpgroup is there to give its own up.
//           Clusters: SHARE_TOKENS blocks with different weight rows share tokens, SHARE_WEIGHTS blocks with different tokens share
//           weights; each fetches a part of what is shared, for all. Blocks stay and take tile after tile.
//           IN_TURN: the warpgroups have tiles of their own, by turns, so that one's epilogue runs beside the other's chains.
//           BOXES: rounded results leave through so many 64 x 64 boxes of shared memory per warpgroup, where outputs are a
//           multiple of eight; residuals come the same way.
// Order:    one chain per output element, k ascending in steps of 16, from +0. Past the width tokens are zeros, which change
//           nothing: also against the last chunk, which stands in where a stage has more chunks than are left. Rows of the input
//           past the tokens may hold anything, for each row is a chain of its own.
// May vary: every definition of the build, the grid and its order, how much is fetched before the wait, boxes or registers.
#include "cluster.cuh"
#include "launch.cuh"
#include "numerics.cuh"
#include "product_results.cuh"
#include "ptx.cuh"
#include "tensor_copy.cuh"
#include "weight_tiles.cuh"
#include "wgmma.cuh"

struct ProductArguments {
  TensorMap input;    // boxes of 64 k x TOKENS / SHARE_TOKENS rows
  TensorMap output;   // boxes of 64 x 64, and the same of the residual: where boxed
  TensorMap residual;
  const char* weights;
  Results results;
  u32 tokens;
  u32 packed_outputs;
  u32 packed_rows;
  u32 chunks;
  u32 tiles_over_rows; // in units of a cluster
  u32 tiles_over_tokens;
  u32 group; // token tiles that go over the same weights before the grid moves on
  u32 early_stages; // stages whose weights are asked for before the wait for the kernel before
  u32 boxed;
  u32 unused[3];
  u64 by_group_size; // inverses for divide: of group * tiles_over_rows, of group, of the last group's height
  u64 by_group;
  u64 by_last_group;
  u64 unused_too[2];
};

constexpr u32 STEP = 16; // k of a wgmma
constexpr u32 STEPS = WEIGHT_CHUNK / STEP;
constexpr u32 OPERAND_TOKENS = 64;
constexpr u32 CONSUMERS = WARPGROUPS * 128;
constexpr u32 CLUSTER = SHARE_TOKENS * SHARE_WEIGHTS;
constexpr u32 SHARERS = IN_TURN ? 1 : WARPGROUPS; // warpgroups of a tile
constexpr bool ALIGNED_OUTPUTS = !ANY_OUTPUTS; // outputs are a multiple of eight
constexpr bool BOXED = BOXES > 0 && (has(EPILOGUES, STORE) || has(EPILOGUES, ADD));
constexpr u32 GROW = WARPGROUPS == 2 && OPERANDS * TILE_ROWS >= 224 ? 240 : WARPGROUPS == 3 ? 160 : 0;
constexpr u32 THREADS = CONSUMERS + (GROW != 0 ? 128 : 32);
constexpr u32 TOKEN_CHUNK = TOKENS * WEIGHT_ROW_BYTES, WEIGHT_CHUNK_BYTES = TILE_ROWS * WEIGHT_ROW_BYTES;
constexpr u32 TOKEN_STAGE = CHUNKS * TOKEN_CHUNK, WEIGHT_STAGE = CHUNKS * WEIGHT_CHUNK_BYTES;
constexpr u32 BOX_BYTES = 64 * 64 * 2;
constexpr u32 BOX_COLUMNS = BOXES == 0 ? 1 : TILE_ROWS / 64; // boxes beside each other
constexpr u32 BOX_ROUNDS = BOXES == 0 ? 0 : OPERANDS * BOX_COLUMNS / BOXES;
constexpr u32 RING_BYTES = STAGES * (TOKEN_STAGE + WEIGHT_STAGE);
constexpr u32 STAGING_BYTES = BOXES * WARPGROUPS * BOX_BYTES;
constexpr u32 BARRIERS = 2 * STAGES + WARPGROUPS;
constexpr u32 BLOCKS = SHARED_BYTES <= 115712 ? 2 : 1; // of a multiprocessor
static_assert(RING_BYTES + STAGING_BYTES + BARRIERS * 8 == SHARED_BYTES, "shared memory");
static_assert(TOKENS == SHARERS * OPERANDS * 64 || (WARPGROUPS * OPERANDS == 1 && TOKENS < 64), "tokens");
static_assert(TOKENS % (8 * SHARE_TOKENS) == 0 && TILE_ROWS % (8 * SHARE_WEIGHTS) == 0, "slices of whole swizzle groups");
static_assert(TILE_ROWS % 16 == 0 || !has(EPILOGUES, GATED_SILU), "gates beside their ups");
static_assert(BOXES == 0 || (TILE_ROWS % 64 == 0 && TOKENS % 64 == 0 && OPERANDS * (TILE_ROWS / 64) % BOXES == 0), "boxes");
static_assert(TOKENS >= 64 || WEIGHT_STAGE * STAGES >= (64 - TOKENS) * WEIGHT_ROW_BYTES, "what lies behind the tokens");

// Named barriers; 0 is __syncthreads.
constexpr u32 WARPGROUP = 1; // and on: of one warpgroup
constexpr u32 MY_TURN = 4;   // and on: the other warpgroup's last stage is there
static_assert(!IN_TURN || WARPGROUPS == 2, "one after the other");

// Where a block's parts of shared memory lie, and its place in its cluster.
struct Block {
  u32 tokens;
  u32 weights;
  u32 staging;
  u32 full;
  u32 empty;
  u32 residual; // a barrier per warpgroup
  u32 of_weights; // place among those that share tokens: whose weight rows
  u32 of_tokens;
};

// x / d without a division, for x and d up to 2^20 and the host's inverse = ceil(2^40 / d).
__device__ __forceinline__ u32 divide(u32 x, u64 inverse) { return (u32)((u64)x * inverse >> 40); }

// Where the index-th tile of clusters lies.
__device__ __forceinline__ void place(const ProductArguments& a, u32 index, u32& tile_w, u32& tile_t) {
  u32 g = divide(index, a.by_group_size), first = g * a.group, in_group = index - g * a.group * a.tiles_over_rows;
  bool whole = first + a.group <= a.tiles_over_tokens;
  u32 height = whole ? a.group : a.tiles_over_tokens - first;
  tile_w = divide(in_group, whole ? a.by_group : a.by_last_group);
  tile_t = first + in_group - tile_w * height;
}

// ---- The producer ----------------------------------------------------------------------------------------------------

// By one lane. What addresses are made of must stay uniform: computed from blockIdx in every lane's control flow, as here. Computed
// under `if (threadIdx.x == ...)` before a join, they live in ordinary registers, every copy fetches them by a loop, and tiles with
// short stages take 5 to 10 % longer (measured).
__device__ __forceinline__ void produce(const ProductArguments& a, const Block& b, u32 cluster, u32 clusters) {
  const u32 stages = (a.chunks + CHUNKS - 1) / CHUNKS, total = a.tiles_over_rows * a.tiles_over_tokens;
  const u16 same_tokens = (u16)(((1u << SHARE_TOKENS) - 1) << (b.of_tokens * SHARE_TOKENS));
  u16 same_weights = 0;
#pragma unroll
  for (u32 i = 0; i < SHARE_WEIGHTS; i++) same_weights |= (u16)(1u << (i * SHARE_TOKENS + b.of_weights));
  const u64 policy = a.tiles_over_tokens == 1 ? policy_evict_first() : policy_evict_normal(); // one token tile reads every weight once
  u32 n = 0, slot = 0, phase = 1; // stages filled so far
  const u32 early = min(min((u32)STAGES, stages), a.early_stages);
  for (u32 index = cluster; index < total; index += clusters) {
    u32 tile_w, tile_t;
    place(a, index, tile_w, tile_t);
    const u32 t0 = (tile_t * SHARE_WEIGHTS + b.of_tokens) * TOKENS;
    const u32 n0 = min((tile_w * SHARE_TOKENS + b.of_weights) * TILE_ROWS, (a.packed_outputs - 1) / TILE_ROWS * TILE_ROWS);
    const char* weights = a.weights + (u64)n0 * WEIGHT_ROW_BYTES;

    auto load_weights = [&](u32 stage, u32 in_slot) {
#pragma unroll
      for (u32 c = 0; c < CHUNKS; c++) {
        const char* from = weights + (u64)min(stage * CHUNKS + c, a.chunks - 1) * a.packed_rows * WEIGHT_ROW_BYTES;
        u32 to = b.weights + in_slot * WEIGHT_STAGE + c * WEIGHT_CHUNK_BYTES, barrier = b.full + in_slot * 8;
        if constexpr (SHARE_WEIGHTS == 1) {
          bulk_load_kept(to, from, WEIGHT_CHUNK_BYTES, barrier, policy);
        } else {
          constexpr u32 slice = WEIGHT_CHUNK_BYTES / SHARE_WEIGHTS;
          bulk_load_shared(to + b.of_tokens * slice, from + b.of_tokens * slice, slice, barrier, same_weights, policy);
        }
      }
    };
    auto load_tokens = [&](u32 stage, u32 in_slot) {
#pragma unroll
      for (u32 c = 0; c < CHUNKS; c++) {
        u32 k = (stage * CHUNKS + c) * WEIGHT_CHUNK, to = b.tokens + in_slot * TOKEN_STAGE + c * TOKEN_CHUNK, barrier = b.full + in_slot * 8;
        if constexpr (SHARE_TOKENS == 1) {
          box_load(to, &a.input, k, t0, barrier);
        } else {
          constexpr u32 slice = TOKENS / SHARE_TOKENS;
          box_load_shared(to + b.of_weights * (slice * WEIGHT_ROW_BYTES), &a.input, k, t0 + b.of_weights * slice, barrier, same_tokens);
        }
      }
    };

    if (n == 0) { // weights are nobody's output: before the wait for the kernel before
      for (u32 i = 0; i < early; i++) {
        barrier_arrive_expect(b.full + i * 8, TOKEN_STAGE + WEIGHT_STAGE);
        load_weights(i, i);
      }
      wait_for_previous_kernel();
    }
    for (u32 i = 0; i < stages; i++, n++) {
      if (n >= early) {
        if (n >= STAGES) barrier_wait(b.empty + slot * 8, phase);
        barrier_arrive_expect(b.full + slot * 8, TOKEN_STAGE + WEIGHT_STAGE);
        load_weights(i, slot);
      }
      load_tokens(i, slot);
      if (++slot == STAGES) slot = 0, phase ^= 1;
    }
  }
  if constexpr (CLUSTER > 1) { // nobody reaches into this block any more
    for (u32 f = n - min(n, (u32)STAGES); f < n; f++) barrier_wait(b.empty + f % STAGES * 8, f / STAGES & 1);
  }
}

// ---- Consumers -------------------------------------------------------------------------------------------------------

// The boxes of a warpgroup in the order in which they leave: BOXES of them in a round.
struct Box {
  u32 operand;
  u32 column; // in boxes
};

__device__ __forceinline__ Box box_of(u32 index) { return {index / BOX_COLUMNS, index % BOX_COLUMNS}; }

// By one thread: the residuals of a round, into the boxes that its results will leave from.
__device__ __forceinline__ void load_residual(const ProductArguments& a, u32 round, u32 token, u32 column, u32 staging, u32 barrier) {
  box_store_wait_read();
  barrier_arrive_expect(barrier, BOXES * BOX_BYTES);
#pragma unroll
  for (u32 i = 0; i < BOXES; i++) {
    Box box = box_of(round * BOXES + i);
    box_load(staging + i * BOX_BYTES, &a.residual, column + box.column * 64, token + box.operand * 64, barrier);
  }
}

// Rounded results through boxes: STORE and ADD. token and column: the warpgroup's first; uses counts rounds of residuals so far.
__device__ __forceinline__ void finish_boxes(
    const ProductArguments& a, float (&d)[OPERANDS][TILE_ROWS / 2], u32 token, u32 column, u32 staging, u32 barrier, u32& uses,
    u32 warpgroup, u32 thread) {
  const u32 lane = thread % 32, row = thread / 32 * 16 + lane / 8 % 2 * 8 + lane % 8, second = lane / 16;
  const bool adds = has(EPILOGUES, ADD) && (!has(EPILOGUES, STORE) || a.results.epilogue == ADD);
#pragma unroll
  for (u32 round = 0; round < BOX_ROUNDS; round++) {
    if (adds) {
      if (round > 0 && thread == 0) load_residual(a, round, token, column, staging, barrier);
      barrier_wait(barrier, uses++ & 1);
    } else {
      if (thread == 0) box_store_wait_read();
      warps_sync(WARPGROUP + warpgroup, 128);
    }
#pragma unroll
    for (u32 i = 0; i < BOXES; i++) {
      const Box box = box_of(round * BOXES + i);
#pragma unroll
      for (u32 j = 0; j < 8; j += 2) {
        float* v = &d[box.operand][(box.column * 8 + j) * 4];
        u32 at = staging + i * BOX_BYTES + swizzled(row, j + second);
        if (adds) {
          u32 r[4];
          matrices_load(at, r);
#pragma unroll
          for (u32 e = 0; e < 4; e++) add_pair(v[2 * e], v[2 * e + 1], r[e]);
        }
        matrices_store(at, floats_to_bf16x2(v[0], v[1]), floats_to_bf16x2(v[2], v[3]), floats_to_bf16x2(v[4], v[5]),
                       floats_to_bf16x2(v[6], v[7]));
      }
    }
    fence_async_proxy();
    warps_sync(WARPGROUP + warpgroup, 128);
    if (thread == 0) {
#pragma unroll
      for (u32 i = 0; i < BOXES; i++) {
        const Box box = box_of(round * BOXES + i);
        u32 t = token + box.operand * 64, c = column + box.column * 64;
        if (t < a.tokens && c < a.results.outputs) box_store(&a.output, c, t, staging + i * BOX_BYTES);
      }
      box_store_commit();
    }
  }
}

__device__ __forceinline__ void consume(const ProductArguments& a, const Block& b, u32 warpgroup, u32 thread, u32 cluster, u32 clusters) {
  const u32 stages = (a.chunks + CHUNKS - 1) / CHUNKS, total = a.tiles_over_rows * a.tiles_over_tokens, lane = thread % 32;
  const u32 staging = b.staging + warpgroup * (BOXES * BOX_BYTES), residual = b.residual + warpgroup * 8;

  // The blocks that load for this one: their producers wait for its consumers.
  constexpr u32 PEERS = SHARE_TOKENS + SHARE_WEIGHTS - 1;
  u32 peer = 0;
  if constexpr (CLUSTER > 1) {
    u32 p = min(lane, PEERS - 1), other = p - SHARE_TOKENS;
    peer = address_in_block(b.empty, p < SHARE_TOKENS ? b.of_tokens * SHARE_TOKENS + p
                                                      : (other < b.of_tokens ? other : other + 1) * SHARE_TOKENS + b.of_weights);
  }
  auto release = [&](u32 slot) {
    if constexpr (CLUSTER > 1) {
      if (lane < PEERS) barrier_arrive_remote(peer + slot * 8);
    } else {
      if (lane == 0) barrier_arrive(b.empty + slot * 8);
    }
  };

  // By turns, a warpgroup waits for a stage only when the other has seen all before it: a barrier tells one phase from the next, not
  // from the next but one.
  constexpr u32 TURNS = IN_TURN ? WARPGROUPS : 1;
  const u32 turn = IN_TURN ? warpgroup : 0, in_tile = IN_TURN ? 0 : warpgroup;
  u32 first_stage = turn * stages, uses = 0; // of this warpgroup's tile, counted from the block's first
  for (u32 index = cluster + turn * clusters; index < total; index += TURNS * clusters, first_stage += TURNS * stages) {
    u32 slot = first_stage % STAGES, phase = first_stage / STAGES & 1;
    u32 tile_w, tile_t;
    place(a, index, tile_w, tile_t);
    const u32 t0 = (tile_t * SHARE_WEIGHTS + b.of_tokens) * TOKENS, n0 = (tile_w * SHARE_TOKENS + b.of_weights) * TILE_ROWS;
    const u32 token = t0 + in_tile * (OPERANDS * OPERAND_TOKENS);
    if constexpr (BOXED && has(EPILOGUES, ADD)) {
      if (a.boxed && a.results.epilogue == ADD && thread == 0) load_residual(a, 0, token, n0, staging, residual);
    }
    float d[OPERANDS][TILE_ROWS / 2];
#pragma unroll
    for (u32 o = 0; o < OPERANDS; o++) {
#pragma unroll
      for (u32 i = 0; i < TILE_ROWS / 2; i++) d[o][i] = 0.0f;
    }
    u32 before = 0;
    if (IN_TURN && index >= clusters) warps_sync(MY_TURN + warpgroup, 256);
    for (u32 i = 0; i < stages; i++) {
      barrier_wait(b.full + slot * 8, phase);
      u64 x = operand_swizzled(b.tokens + slot * TOKEN_STAGE + in_tile * (OPERANDS * OPERAND_TOKENS * WEIGHT_ROW_BYTES));
      u64 w = operand_swizzled(b.weights + slot * WEIGHT_STAGE);
      wgmma_fence();
#pragma unroll
      for (u32 step = 0; step < CHUNKS * STEPS; step++) {
        u64 of_x = x + (step / STEPS * TOKEN_CHUNK + step % STEPS * (STEP * 2)) / 16;
        u64 of_w = w + (step / STEPS * WEIGHT_CHUNK_BYTES + step % STEPS * (STEP * 2)) / 16;
#pragma unroll
        for (u32 o = 0; o < OPERANDS; o++) {
          wgmma_ss(d[o], of_x + o * (OPERAND_TOKENS * WEIGHT_ROW_BYTES / 16), of_w, 1);
        }
      }
      wgmma_commit();
      wgmma_wait<1>();
      if (i > 0) release(before);
      before = slot;
      if (++slot == STAGES) slot = 0, phase ^= 1;
    }
    if (IN_TURN && index + clusters < total) warps_arrive(MY_TURN + 1 - warpgroup, 256);
    wgmma_wait<0>();
    release(before);
    if constexpr (BOXED) {
      if (a.boxed) {
        if (has(EPILOGUES, STORE) && a.results.epilogue == STORE && a.results.bias != nullptr) {
#pragma unroll
          for (u32 o = 0; o < OPERANDS; o++) add_bias(d[o], a.results, n0, lane % 4, true);
        }
        finish_boxes(a, d, token, n0, staging, residual, uses, warpgroup, thread);
        continue;
      }
    }
    u32 row = token + thread / 32 * 16 + lane / 4, last_row = min(a.tokens, t0 + TOKENS);
#pragma unroll
    for (u32 o = 0; o < OPERANDS; o++) finish<ALIGNED_OUTPUTS, EPILOGUES>(d[o], a.results, row + o * OPERAND_TOKENS, last_row, n0, lane % 4);
  }
  if (BOXED && thread == 0) box_store_wait();
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) product(const __grid_constant__ ProductArguments a) {
  extern __shared__ __align__(1024) char memory[];
  const u32 warp = __shfl_sync(~0u, threadIdx.x / 32, 0);
  const u32 rank = CLUSTER > 1 ? cluster_rank() : 0, cluster = blockIdx.x / CLUSTER, clusters = gridDim.x / CLUSTER;
  Block b;
  b.tokens = shared_address(memory);
  b.weights = b.tokens + STAGES * TOKEN_STAGE;
  b.staging = b.tokens + RING_BYTES;
  b.full = b.staging + STAGING_BYTES;
  b.empty = b.full + STAGES * 8;
  b.residual = b.empty + STAGES * 8;
  b.of_weights = rank % SHARE_TOKENS;
  b.of_tokens = rank / SHARE_TOKENS;
  if (threadIdx.x == 0) {
    for (u32 i = 0; i < STAGES; i++) {
      barrier_init(b.full + i * 8, 1);
      barrier_init(b.empty + i * 8, SHARERS * 4 * (SHARE_TOKENS + SHARE_WEIGHTS - 1)); // every consumer warp that reads it
    }
    for (u32 i = 0; i < WARPGROUPS; i++) barrier_init(b.residual + i * 8, 1);
    barrier_init_fence();
  }
  if (threadIdx.x == CONSUMERS) prefetch_map(&a.input);
  if constexpr (CLUSTER > 1) {
    __syncwarp();
    cluster_arrive_relaxed();
    cluster_wait();
  } else {
    __syncthreads();
  }
  let_next_kernel_start();

  if (warp >= WARPGROUPS * 4) {
    if constexpr (GROW > 0) registers_shrink<24>();
    if (warp == WARPGROUPS * 4 && threadIdx.x % 32 == 0) produce(a, b, cluster, clusters);
  } else {
    if constexpr (GROW > 0) registers_grow<GROW>();
    wait_for_previous_kernel(); // before results are written over what it may still read
    consume(a, b, warp / 4, threadIdx.x % 128, cluster, clusters);
  }
}
