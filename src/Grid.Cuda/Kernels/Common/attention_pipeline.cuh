// The pipeline of the attention kernels: who copies, who computes, and what waits for what. Formula, mapping and orders: Attention.cu.
#pragma once

#include "attention_block.cuh"
#include "launch.cuh"
#include "wgmma.cuh"

extern __shared__ __align__(1024) u8 attention_memory[]; // as laid out by AttentionShape

// One tile and one KV head.
struct AttentionWork {
  AttentionTile tile;
  AttentionSequence sequence;
  const i32* pages; // of the sequence
  i32 kv_head;
  i32 rows;      // of the sequence: tokens * group
  i32 first_key; // absolute position
  i32 end;       // of the keys that any row sees
  i32 blocks;
};

template <class Shape>
__device__ __forceinline__ AttentionWork attention_work(const AttentionArguments& a, i32 index) {
  AttentionWork w;
  w.tile = a.tiles[index / a.kv_heads];
  w.sequence = a.sequences[w.tile.sequence];
  w.pages = a.page_table + (i64)w.tile.sequence * a.page_table_stride;
  w.kv_head = index % a.kv_heads;
  w.rows = w.sequence.tokens * a.group;
  w.first_key = Shape::Decode ? w.tile.segment * Shape::Segment : 0;
  i32 last_row = min(w.tile.first_row + Shape::Warpgroups * WarpgroupRows, w.rows) - 1;
  w.end = w.sequence.position + last_row / a.group + 1;
  if (Shape::Decode) w.end = min(w.end, w.first_key + Shape::Segment);
  w.blocks = (w.end - w.first_key + Shape::T - 1) / Shape::T;
  return w;
}

// Where block i of the ring lies, and the parity of its phase.
template <class Shape>
__device__ __forceinline__ i32 ring_stage(i32 i) { return i % Shape::Stages; }

template <class Shape>
__device__ __forceinline__ u32 ring_parity(i32 i) { return i / Shape::Stages & 1; }

// ---- Producer ------------------------------------------------------------------------------------------------------

// Pages of block i of the work; every 32 pages the lanes fetch the next 32 ids into `window`. Behind the last page lies the last
// page again: masked, but finite. Whole warp; i ascends from 0.
template <class Shape>
__device__ __forceinline__ void attention_pages(const AttentionWork& w, i32 i, i32& window, i32 (&pages)[Shape::T / PageTokens]) {
  constexpr i32 PerBlock = Shape::T / PageTokens;
  if (i * PerBlock % 32 == 0) {
    i32 index = w.first_key / PageTokens + i * PerBlock + threadIdx.x % 32;
    window = w.pages[min(index, (w.end - 1) / PageTokens)];
  }
#pragma unroll
  for (i32 b = 0; b < PerBlock; b++) pages[b] = __shfl_sync(0xFFFFFFFFu, window, (i * PerBlock + b) % 32);
}

// Brings the keys (half 0) or values (half 1) of a block to its place in the ring, once that is empty. One thread.
template <class Shape>
__device__ __forceinline__ void attention_copy(
    const AttentionArguments& a, const i32 (&pages)[Shape::T / PageTokens], i32 kv_head, i32 i, i32 half, u32 shared) {
  i32 stage = ring_stage<Shape>(i);
  if (i >= Shape::Stages) {
    barrier_wait(shared + (half == 0 ? Shape::EmptyKeys : Shape::EmptyValues) + stage * 8, ring_parity<Shape>(i) ^ 1);
  }
  u32 barrier = shared + (half == 0 ? Shape::FullKeys : Shape::FullValues) + stage * 8;
  u32 target = shared + (half == 0 ? Shape::Keys : Shape::Values) + stage * Shape::BlockBytes;
  barrier_arrive_expect(barrier, Shape::BlockBytes);
#pragma unroll
  for (i32 b = 0; b < Shape::T / PageTokens; b++) {
    const u8* source = a.pages + pages[b] * a.page_stride + (i64)(2 * kv_head + half) * Shape::ImageBytes;
    bulk_load(target + b * Shape::ImageBytes, source, Shape::ImageBytes, barrier);
  }
}

// Prefill: brings all blocks of the work. One warp.
template <class Shape>
__device__ __forceinline__ void attention_produce(const AttentionArguments& a, const AttentionWork& w, u32 shared) {
  i32 window = 0;
  for (i32 i = 0; i < w.blocks; i++) {
    i32 pages[Shape::T / PageTokens];
    attention_pages<Shape>(w, i, window, pages);
    if (threadIdx.x % 32 == 0) {
      attention_copy<Shape>(a, pages, w.kv_head, i, 0, shared);
      attention_copy<Shape>(a, pages, w.kv_head, i, 1, shared);
    }
    __syncwarp();
  }
}

// ---- Queries and results -------------------------------------------------------------------------------------------

__device__ __forceinline__ const u16* query_row(const AttentionArguments& a, const AttentionWork& w, i32 row, i32 head_dim) {
  i64 token = w.sequence.first_token + row / a.group;
  return a.queries + token * a.query_stride + (w.kv_head * a.group + row % a.group) * head_dim;
}

// Decode: a thread's part of the query rows, in registers. Rows that do not exist become zeros.
template <class Shape>
__device__ __forceinline__ void attention_load_queries(
    const AttentionArguments& a, const AttentionWork& w, i32 row, u32 (&queries)[Shape::HeadDim / 16][4]) {
  const u16* source = query_row(a, w, min(row, w.rows - 1), Shape::HeadDim) + 2 * (threadIdx.x % 4);
#pragma unroll
  for (i32 k = 0; k < Shape::HeadDim / 16; k++) {
    queries[k][0] = row < w.rows ? *(const u32*)(source + 16 * k) : 0;
    queries[k][2] = row < w.rows ? *(const u32*)(source + 16 * k + 8) : 0;
    queries[k][1] = queries[k][3] = 0; // eight rows at most
  }
}

// Prefill: 64 query rows into shared memory as [row / 8][dim / 8][8 rows][8 dims]; rows that do not exist become zeros.
template <class Shape>
__device__ __forceinline__ void attention_store_queries(const AttentionArguments& a, const AttentionWork& w, i32 first_row, u8* image) {
  constexpr i32 Chunks = Shape::HeadDim / 8;
  i32 thread = threadIdx.x % 128;
#pragma unroll
  for (i32 i = 0; i < WarpgroupRows * Chunks / 128; i++) {
    // Eight lanes take eight rows: their stores fill all banks, and the four lanes of a row read 64 contiguous bytes.
    i32 piece = i * 4 + thread / 32;
    i32 eight = piece / (Chunks / 4), chunk = piece % (Chunks / 4) * 4 + thread % 32 / 8;
    i32 row = first_row + eight * 8 + thread % 8;
    uint4 value = make_uint4(0, 0, 0, 0);
    if (row < w.rows) value = *(const uint4*)(query_row(a, w, row, Shape::HeadDim) + chunk * 8);
    *(uint4*)(image + (eight * Chunks + chunk) * 128 + thread % 8 * 16) = value;
  }
}

// Stores the results of this thread's rows. Decode: O, M and L of the segment where there are several.
template <class Shape>
__device__ __forceinline__ void attention_store(
    const AttentionArguments& a, const AttentionWork& w, i32 row0, const AttentionState<Shape>& s) {
  i32 column = 2 * (threadIdx.x % 4);
  if (Shape::Decode && w.sequence.first_slot >= 0) {
    if (row0 >= w.rows) return;
    i64 at = ((i64)(w.sequence.first_slot + w.tile.segment) * a.kv_heads + w.kv_head) * a.group + row0;
    float* values = a.partial_values + at * Shape::HeadDim + column;
    if (threadIdx.x % 4 == 0) a.partial_state[at] = make_float2(s.maximum[0], s.sums[0]);
#pragma unroll
    for (i32 j = 0; j < Shape::HeadDim / 8; j++) *(float2*)(values + 8 * j) = make_float2(s.values[4 * j], s.values[4 * j + 1]);
    return;
  }
#pragma unroll
  for (i32 half = 0; half < (Shape::Decode ? 1 : 2); half++) {
    i32 row = row0 + half * 8;
    if (row < w.rows) {
      i64 token = w.sequence.first_token + row / a.group;
      i32 head = w.kv_head * a.group + row % a.group;
      attention_store_row<Shape>(s, half, a.output + token * a.output_stride + head * Shape::HeadDim + column);
    }
  }
}

// ---- Consumers -----------------------------------------------------------------------------------------------------

// One consumer warpgroup at one work.
template <class Shape>
struct AttentionConsumer {
  const AttentionArguments& a;
  const AttentionWork& w;
  i32 lowest;  // the last key that every row of the warpgroup sees, relative to the work's first
  u32 further; // how many more this thread's first row sees, and in the upper half its second
  i32 mine;    // blocks that the warpgroup needs
  u32 queries[Shape::Decode ? Shape::HeadDim / 16 : 1][4];
  float scores[Shape::T / 2]; // S, then the unrounded weights
  AttentionState<Shape> s;
  i32 window; // decode: page ids in the lanes of the last warp

  static constexpr i32 SegmentBlocks = Shape::Segment / Shape::T;

  // Decode: warps without rows leave their weights at zero.
  __device__ __forceinline__ bool active() const { return !Shape::Decode || threadIdx.x < 32; }

  // Prefill: this thread's part of the merged segments.
  __device__ __forceinline__ float4* merged() const {
    u32 thread = threadIdx.x;
    return (float4*)(attention_memory + Shape::Merged + thread / 128 * (WarpgroupRows * Shape::HeadDim * 4)) + thread % 128;
  }

  __device__ __forceinline__ float2* merged_state() const {
    u32 thread = threadIdx.x;
    return (float2*)(attention_memory + Shape::State) + thread / 128 * WarpgroupRows + thread % 128 / 32 * 16 + thread % 32 / 4;
  }

  __device__ __forceinline__ void release(i32 barriers, i32 i) {
    if (threadIdx.x % 32 == 0) barrier_arrive(shared_address(attention_memory) + barriers + ring_stage<Shape>(i) * 8);
  }

  // Decode: the last warp, which has no rows, brings block i once every warp has left the one before it in the ring.
  __device__ __forceinline__ void refill(i32 i, i32 half) {
    if constexpr (Shape::Decode) {
      if (threadIdx.x / 32 == 3 && i < w.blocks) {
        i32 pages[Shape::T / PageTokens];
        attention_pages<Shape>(w, i, window, pages);
        if (threadIdx.x % 32 == 0) attention_copy<Shape>(a, pages, w.kv_head, i, half, shared_address(attention_memory));
        __syncwarp();
      }
    }
  }

  // Starts S of block i.
  __device__ __forceinline__ void score(i32 i) {
    u32 shared = shared_address(attention_memory), query_image = shared + threadIdx.x / 128 * Shape::QueryBytes;
    i32 stage = ring_stage<Shape>(i);
    barrier_wait(shared + Shape::FullKeys + stage * 8, ring_parity<Shape>(i));
    u32 keys = shared + Shape::Keys + stage * Shape::BlockBytes;
    wgmma_fence();
#pragma unroll
    for (i32 k = 0; k < Shape::HeadDim / 16; k++) {
      u64 b = operand(keys + k * 256, 128, Shape::EightBytes);
      if constexpr (Shape::Decode) {
        wgmma_rs(scores, queries[k], b, k > 0);
      } else {
        wgmma_ss(scores, operand(query_image + k * 256, 128, Shape::EightBytes), b, k > 0);
      }
    }
    wgmma_commit();
  }

  // Starts O += P V and L += P 1 of block i.
  __device__ __forceinline__ void weigh(i32 i) {
    u32 shared = shared_address(attention_memory);
    i32 stage = ring_stage<Shape>(i);
    barrier_wait(shared + Shape::FullValues + stage * 8, ring_parity<Shape>(i));
    u32 values = shared + Shape::Values + stage * Shape::BlockBytes;
    u64 ones = operand(shared + Shape::Ones, 128, 128);
    wgmma_fence();
#pragma unroll
    for (i32 k = 0; k < Shape::T / 16; k++) {
      wgmma_rs_mn(s.values, s.weights[k], operand(values + k * 2 * Shape::EightBytes, Shape::EightBytes, 128), 1);
      wgmma_rs(s.sums, s.weights[k], ones, 1);
    }
    wgmma_commit();
  }

  // Weights of block i, whose scores are ready, while the products of the block before run.
  __device__ __forceinline__ void block(i32 i) {
    bool next_segment = !Shape::Decode && i > 0 && i % SegmentBlocks == 0;
    if (next_segment) {
      wgmma_wait<0>();
      attention_merge_in_place<Shape>(s, merged(), merged_state(), i == SegmentBlocks, a.c);
    }
    if (active()) {
      i32 last = lowest - i * Shape::T;
      bool masked = last < Shape::T - 1;
      if (masked) attention_mask<Shape>(scores, last + (i32)(further & 0xFFFF), last + (i32)(further >> 16));
      attention_softmax<Shape>(s, scores, a.c, masked);
    }
    if (next_segment) s.rescale[0] = s.rescale[1] = 0.0f; // the new segment's chains start from zero
    wgmma_wait<0>();
    if (i > 0) {
      release(Shape::EmptyValues, i - 1);
      refill(i - 1 + Shape::Stages, 1);
    }
    attention_rescale<Shape>(s);
    if (active()) attention_round<Shape>(s, scores);
  }

  __device__ __forceinline__ void run() {
    score(0);
    wgmma_wait<0>();
    release(Shape::EmptyKeys, 0);
    refill(Shape::Stages, 0);
    block(0);
    for (i32 i = 1; i < mine; i++) {
      score(i);
      weigh(i - 1);
      wgmma_wait<1>();
      release(Shape::EmptyKeys, i);
      refill(i + Shape::Stages, 0);
      block(i);
    }
    weigh(mine - 1);
    wgmma_wait<0>();
    release(Shape::EmptyValues, mine - 1);
    if (!Shape::Decode && mine > SegmentBlocks) {
      attention_merge_in_place<Shape>(s, merged(), merged_state(), false, a.c);
      attention_take_merged<Shape>(s, merged(), merged_state());
    }
  }

  // Lets blocks pass that only other warpgroups of the tile see.
  __device__ __forceinline__ void skip_to(i32 blocks) {
    u32 shared = shared_address(attention_memory);
    for (i32 i = mine; i < blocks; i++) {
      i32 stage = ring_stage<Shape>(i);
      barrier_wait(shared + Shape::FullKeys + stage * 8, ring_parity<Shape>(i));
      release(Shape::EmptyKeys, i);
      barrier_wait(shared + Shape::FullValues + stage * 8, ring_parity<Shape>(i));
      release(Shape::EmptyValues, i);
    }
  }
};

// The part of one consumer warpgroup.
template <class Shape>
__device__ __forceinline__ void attention_consume(const AttentionArguments& a, const AttentionWork& w) {
  i32 warpgroup = threadIdx.x / 128, row_in_group = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4;
  i32 first_row = w.tile.first_row + warpgroup * WarpgroupRows, row0 = first_row + row_in_group;
  i32 last_row = min(first_row + WarpgroupRows, w.rows) - 1;

  // Rows past the last see what the last sees; they are never stored.
  i32 lowest = min(first_row, w.rows - 1) / a.group;
  u32 further = (u32)(min(row0, w.rows - 1) / a.group - lowest) | (u32)(min(row0 + 8, w.rows - 1) / a.group - lowest) << 16;
  AttentionConsumer<Shape> consumer = {
      .a = a,
      .w = w,
      .lowest = w.sequence.position + lowest - w.first_key,
      .further = further,
      .mine = first_row < w.rows ? min(w.blocks, (w.sequence.position + last_row / a.group - w.first_key) / Shape::T + 1) : 0,
  };
  attention_clear<Shape>(consumer.s);
  if constexpr (Shape::Decode) {
    consumer.window = 0;
    // The kernel before this one writes the newest token alone, and what a step is about comes before all its kernels: the blocks before
    // the last need not wait for it.
    i32 early = min(w.blocks - 1, Shape::Stages);
#pragma unroll
    for (i32 i = 0; i < Shape::Stages; i++) {
      if (i == early) wait_for_previous_kernel();
      consumer.refill(i, 0);
      consumer.refill(i, 1);
    }
    wait_for_previous_kernel();
    let_next_kernel_start();
    attention_load_queries<Shape>(a, w, row0, consumer.queries);
  } else {
    attention_store_queries<Shape>(a, w, first_row, attention_memory + warpgroup * Shape::QueryBytes);
    fence_async_proxy();
    warps_sync(1 + warpgroup, 128);
  }
  if (consumer.mine > 0) {
    consumer.run();
    AttentionWork again = attention_work<Shape>(a, blockIdx.x); // read once more instead of kept in registers
    attention_store<Shape>(a, again, again.tile.first_row + warpgroup * WarpgroupRows + row_in_group, consumer.s);
  }
  consumer.skip_to(attention_work<Shape>(a, blockIdx.x).blocks);
}

// ---- Kernels -------------------------------------------------------------------------------------------------------

// Barriers and ones; for all threads of the block.
template <class Shape>
__device__ __forceinline__ void attention_prepare() {
  u32 shared = shared_address(attention_memory);
  if (threadIdx.x == 0) {
    for (i32 i = 0; i < 2 * Shape::Stages; i++) {
      barrier_init(shared + Shape::FullKeys + i * 8, 1);
      barrier_init(shared + Shape::EmptyKeys + i * 8, Shape::Warpgroups * 4);
    }
    barrier_init_fence();
  }
  if (threadIdx.x < OnesBytes / 4) {
    ((u32*)(attention_memory + Shape::Ones))[threadIdx.x] = 0x3F803F80u;
    fence_async_proxy();
  }
  __syncthreads();
}

// One work a block; blocks past the last tile end at once. Decode waits for the kernel before it as late as it can.
template <class Shape>
__device__ __forceinline__ void attention_kernel(const AttentionArguments& a) {
  bool idle = (i32)blockIdx.x >= *a.tile_count * a.kv_heads;
  if (!Shape::Decode || idle) {
    wait_for_previous_kernel();
    let_next_kernel_start();
  }
  if (idle) return;
  AttentionWork w = attention_work<Shape>(a, blockIdx.x);
  attention_prepare<Shape>();
  if constexpr (Shape::Decode) {
    attention_consume<Shape>(a, w);
  } else if (threadIdx.x >= Shape::Warpgroups * 128) {
    registers_shrink<24>();
    if (threadIdx.x < Shape::Warpgroups * 128 + 32) attention_produce<Shape>(a, w, shared_address(attention_memory));
  } else {
    registers_grow<Shape::Warpgroups == 2 ? 240 : 160>();
    attention_consume<Shape>(a, w);
  }
}
